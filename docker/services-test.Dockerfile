# The services' own tests, with the race detector and the real programs they drive: redis-server, flite, espeak-ng,
# PocketSphinx. A failing test fails the build. Build context: the repository root.
# PocketSphinx from Debian's source, so that a child takes half the memory: see the patch. whisper-stt's stage is the same.
FROM golang:1.26-bookworm AS sphinx
RUN --mount=type=cache,id=apt-sphinx-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-sphinx-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && sed -i 's/^Types: deb$/& deb-src/' /etc/apt/sources.list.d/debian.sources \
    && apt-get update -q && apt-get install -yq --no-install-recommends dpkg-dev
WORKDIR /sphinx
COPY services/whisper-stt/pocketsphinx/source /source
RUN --mount=type=cache,id=apt-sphinx-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-sphinx-lists,target=/var/lib/apt/lists,sharing=locked \
    /source/build /out

FROM golang:1.26-bookworm AS base
ARG GOPROXY
RUN --mount=type=cache,id=apt-services-test-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-services-test-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
 && apt-get update -q \
 && apt-get install -yq --no-install-recommends redis-server flite espeak-ng
COPY --from=sphinx /out /usr
WORKDIR /src

FROM base AS services
COPY services/go.mod services/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download
COPY services ./
# With CI set a test fails where it would skip for want of a program.
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    CI=true go test -race ./... 2>&1 | tee /services.txt && ! grep -q ^FAIL /services.txt

FROM base AS livekit
COPY services/livekit/go.mod services/livekit/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download
COPY services/livekit ./
# The strict test imports the whole server, which the image's build has compiled already, without the race detector.
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    { go test -race ./... && CGO_ENABLED=0 GOFLAGS=-gcflags=all=-dwarf=false go test -trimpath -run Strict ./...; } 2>&1 | tee /livekit.txt && ! grep -q ^FAIL /livekit.txt

FROM scratch
COPY --from=services /services.txt /
COPY --from=livekit /livekit.txt /
