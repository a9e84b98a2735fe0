# LiveKit, built from its Go module, the launcher that renders its configuration, and the front before its HTTP port.
# Build context: the repository root.

# The first steps are the same in every Dockerfile of the services' module: the builder runs them once for all. The libraries
# that take longest are compiled before what uses them, LiveKit's server too: at the same time each would compile them itself.
FROM golang:1.26-bookworm AS libraries
ARG GOPROXY
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-gcflags=all=-dwarf=false
WORKDIR /src
COPY services/go.mod services/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download && go build -trimpath \
    github.com/livekit/server-sdk-go/v2 github.com/redis/go-redis/v9 github.com/thesyncim/gopus

# The server's own module has the same versions of what it shares with the services.
FROM libraries AS server
WORKDIR /src/livekit
COPY services/livekit/go.mod services/livekit/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download
# The server's own main package, and beside it what gives memory back once nobody speaks. The server needs nothing but these
# and the module files: a change of the launcher doesn't build it again.
COPY services/internal/idle/idle.go server/
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    cp "$(go list -m -f '{{.Dir}}' github.com/livekit/livekit-server)"/cmd/server/main.go server/ \
 && cp "$(go list -m -f '{{.Dir}}' github.com/livekit/livekit-server)"/cmd/server/commands.go server/ \
 && sed -i 's/^package idle$/package main/' server/idle.go \
 && echo 'func init() { go GiveBack(context.Background()) }' >>server/idle.go \
 && go build -trimpath -ldflags "-s -w" -o /out/livekit-server ./server \
 && install -d -o 10001 -g 10001 -m 2775 /volumes/data
# The tmpfs gets the mode of this folder when a container is started again (runc 1.1).
RUN install -d -m 1777 /volumes/tmp

FROM server AS launcher
COPY services/livekit/*.go ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go build -trimpath -ldflags "-s -w" -o /launcher/livekit .

FROM libraries AS build
COPY services/internal internal
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    go build -trimpath ./internal/...
COPY services/livekit-front livekit-front
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w" -o /out/ ./livekit-front

FROM scratch
COPY --from=golang:1.26-bookworm /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=server --chown=10001:10001 /volumes/ /
COPY --from=server /out/livekit-server /livekit-server
COPY --from=launcher /launcher/livekit /livekit
COPY --from=build /out/livekit-front /livekit-front
USER 10001:10001
EXPOSE 7880 7881 7882/udp
ENTRYPOINT ["/livekit-front"]
