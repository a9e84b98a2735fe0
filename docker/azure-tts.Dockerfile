# azure-tts: the local voices behind the Go service. Build context: the repository's root.

# The first steps are the same in every Dockerfile of the services' module: the builder runs them once for all. The libraries
# that take longest are compiled before what uses them, LiveKit's server too: at the same time each would compile them itself.
FROM golang:1.26-bookworm AS build
ARG GOPROXY
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-gcflags=all=-dwarf=false
WORKDIR /src
COPY services/go.mod services/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download && go build -trimpath \
    github.com/livekit/server-sdk-go/v2 github.com/redis/go-redis/v9 github.com/thesyncim/gopus
COPY services/internal internal
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    go build -trimpath ./internal/...
COPY services/azure-tts azure-tts
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w" -o /out/ ./azure-tts

FROM debian:bookworm-slim
RUN --mount=type=cache,id=apt-azure-tts-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-azure-tts-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update -q \
    && apt-get install -yq --no-install-recommends flite espeak-ng \
    && install -d -o 10001 -g 10001 -m 2775 /cache
# Azure is reached over TLS; the certificates alone, without OpenSSL.
COPY --from=golang:1.26-bookworm /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/azure-tts /usr/local/bin/azure-tts
USER 10001:10001
EXPOSE 8002
ENTRYPOINT ["/usr/local/bin/azure-tts"]
