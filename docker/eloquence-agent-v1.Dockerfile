# The voice coach, and the learner that smoke-tests the stack (docker exec … /learner).
# Build context: the repository root.
# What the image has beside its programs: no change of the sources makes it again.
FROM golang:1.26-bookworm AS root
# The tmpfs gets the mode of its folder in the image when a container is started again (runc 1.1).
RUN install -d -o 10001 -g 10001 -m 2775 /volumes/models && install -d -m 1777 /volumes/tmp

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
COPY services/eloquence-agent-v1 eloquence-agent-v1
COPY services/learner learner
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w" -o /out/ ./eloquence-agent-v1 ./learner

FROM scratch
COPY --from=root /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=root --chown=10001:10001 /volumes/ /
COPY --from=build /out/eloquence-agent-v1 /out/learner /
USER 10001:10001
EXPOSE 8003
ENTRYPOINT ["/eloquence-agent-v1"]
