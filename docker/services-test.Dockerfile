# The services' own tests, with the race detector and the real programs they drive: redis-server, flite, espeak-ng,
# PocketSphinx. The test fails where the build of its last step does. Build context: the repository root.
FROM golang:1.26-bookworm AS test
ARG GOPROXY
RUN --mount=type=cache,id=apt-services-test-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-services-test-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
 && apt-get update -q \
 && apt-get install -yq --no-install-recommends redis-server flite espeak-ng pocketsphinx pocketsphinx-en-us
WORKDIR /src
COPY services/go.mod services/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download
COPY services ./
# With CI set a test fails where it would skip for want of a program.
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    CI=true go test -race ./... >/result.txt 2>&1 && cat /result.txt || { cat /result.txt; exit 1; }

FROM scratch
COPY --from=test /result.txt /
