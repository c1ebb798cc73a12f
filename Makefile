# The commands of this project. `make test` is what CI runs.
.PHONY: run test check generate tidy plans

# Serves on http://127.0.0.1:8080 from the SQLite file threads.db.
run:
	go run .

# Everything: what check looks at, all tests with the race detector beside a PostgreSQL of their own, and the client
# tests. Installs PostgreSQL and Node from Debian's packages where they are missing.
test: check
	.ci/with-postgres go test -race -shuffle=on -timeout 20m ./...
	.ci/with-postgres go test -run TestPlans ./db
	.ci/with-postgres .ci/clients

# Formatting, vet, staticcheck, and that go.mod and the generated code are current.
check:
	.ci/check

# Makes graph/generated, graph/model/models_gen.go and the frame of graph/schema.resolvers.go from schema.graphqls.
generate:
	go run github.com/99designs/gqlgen generate

tidy:
	go mod tidy

# Writes docs/plans.md anew.
plans:
	.ci/with-postgres go test ./db -run TestPlans -update
