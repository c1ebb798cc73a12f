# The image of threadstore: one static binary with the page in it, on SQLite in the volume /data unless DATABASE_URL says
# otherwise. docker build --build-arg VERSION=0.1.0 --build-arg COMMIT=$(git rev-parse HEAD) -t threadstore .

FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS page
WORKDIR /src/web
COPY web/ ./
RUN --mount=type=cache,target=/root/.npm ./build.sh --required

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
COPY --from=page /src/web/dist/app/ web/dist/app/
ARG TARGETOS
ARG TARGETARCH
ARG VERSION
ARG COMMIT
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
    -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/threadstore . && mkdir /out/data

# It has certificates of authorities for TLS to PostgreSQL, /tmp, and a user that is not root; no shell.
FROM gcr.io/distroless/static-debian12:nonroot
COPY LICENSE THIRD_PARTY_NOTICES.md /usr/share/doc/threadstore/
COPY --from=build /out/threadstore /usr/local/bin/threadstore
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV DATABASE_URL=sqlite:/data/threads.db THREADSTORE_ADDR=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s CMD ["/usr/local/bin/threadstore", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/threadstore"]
