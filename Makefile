# The commands of this project. `make test` is what CI runs.
.PHONY: run build ready page engine test test-postgres check generate tidy plans speed snapshot release notices lint-ship

# Serves on http://127.0.0.1:8080 from the SQLite file threads.db, with the playground if Node can build it.
run: ready
	@go build
	@exec ./threadstore

# Makes the binary threadstore, with the playground if Node can build it.
build: ready
	go build

# Without caches both take long: at the same time.
ready:
	@$(MAKE) --no-print-directory -j2 page engine

# Builds the playground into web/dist/app, to be embedded.
page:
	@web/build.sh

# Compiles what does not embed the playground, and says every ten seconds that it is still at it.
engine:
	@go build ./db/interchange ./graph & build=$$!; start=$$(date +%s); next=3; \
	while kill -0 $$build 2>/dev/null; do sleep 0.2; s=$$(($$(date +%s) - start)); \
	[ $$s -lt $$next ] || { echo "compiling, $$s s so far: the SQLite engine takes a minute or two, once" >&2; next=$$((s + 10)); }; \
	done; wait $$build

# Everything: what check looks at, all tests with the race detector beside a PostgreSQL of their own, the client tests
# and the browser tests. Installs PostgreSQL, pgbouncer, Node and Chromium where they are missing (from Debian's packages and npm).
test: check
	.ci/with-node web/build.sh --required
	.ci/with-node .ci/notices --check
	.ci/with-postgres .ci/go-tests
	.ci/with-postgres .ci/with-node .ci/clients
	.ci/with-node .ci/browser

# The tests that ask PostgreSQL on another version: make test-postgres VERSION=17. From Debian's packages, or else from npm.
VERSION = 18
test-postgres:
	POSTGRES_VERSION=$(VERSION) .ci/with-postgres go test -count=1 -shuffle=on -timeout 20m ./db ./db/interchange ./graph ./e2e

# Formatting, vet, staticcheck, and that go.mod and the generated code are current.
check:
	.ci/check

# Makes graph/generated, graph/model/models_gen.go and the frame of graph/schema.resolvers.go from schema.graphqls.
generate:
	go run ./graph/gen

tidy:
	go mod tidy

# Writes docs/plans.md anew.
plans:
	.ci/with-postgres go test ./db -run TestPlans -update

# Fails when a hot piece has become slower than in another commit (the last tag v*, else HEAD~1; or make speed BASE=COMMIT).
speed:
	.ci/with-postgres go run ./e2e/speed -base '$(BASE)'

# What is shipped. snapshot makes all archives of a release in dist/; release publishes them, with NOTES as the release's text.
GORELEASER = go run github.com/goreleaser/goreleaser/v2@v2.16.0
snapshot: # GoReleaser takes no commit from a checkout that has no remote, so it is told of ours
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=https://github.com/threadstore/threadstore \
		$(GORELEASER) release --snapshot --clean
release:
	$(GORELEASER) release --clean --release-notes $(NOTES)

# Writes THIRD_PARTY_NOTICES.md anew.
notices:
	.ci/with-node .ci/notices

# Lints the workflows, the Dockerfile, compose.yaml and .goreleaser.yaml.
lint-ship:
	GORELEASER='$(GORELEASER)' .ci/lint-ship
