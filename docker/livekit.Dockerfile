# LiveKit, built from its Go module, and the launcher that renders its configuration.
# Build context: the repository root.
FROM golang:1.26-bookworm AS server
ARG GOPROXY
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY services/livekit/go.mod services/livekit/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download
# The server needs nothing but the module files: a change of the launcher doesn't build it again.
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go build -trimpath -ldflags "-s -w" -o /out/livekit-server github.com/livekit/livekit-server/cmd/server \
 && install -d -o 10001 -g 10001 -m 2775 /volumes/data
# The tmpfs gets the mode of this folder when a container is started again (runc 1.1).
RUN install -d -m 1777 /volumes/tmp

FROM server AS launcher
COPY services/livekit/*.go ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go build -trimpath -ldflags "-s -w" -o /launcher/livekit .

FROM scratch
COPY --from=golang:1.26-bookworm /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=server --chown=10001:10001 /volumes/ /
COPY --from=server /out/livekit-server /livekit-server
COPY --from=launcher /launcher/livekit /livekit
USER 10001:10001
EXPOSE 7880 7881 7882/udp
ENTRYPOINT ["/livekit"]
