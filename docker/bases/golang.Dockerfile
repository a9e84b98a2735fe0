# golang:1.26-bookworm where Docker Hub cannot be reached: debian:bookworm-slim, the official image's packages, and the
# host's GOROOT as the named build context "goroot" (which must be for Linux and this architecture). The main build
# context is not read.
FROM debian:bookworm-slim AS compiler
RUN --mount=type=cache,id=apt-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-lists,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=secret,id=ca \
    # Not mounted over /etc/ssl/certs: installing ca-certificates replaces that file.
    if [ -f /run/secrets/ca ]; then set -- -o Acquire::https::CaInfo=/run/secrets/ca; fi; \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get "$@" update -q \
    && apt-get "$@" install -yq --no-install-recommends \
       ca-certificates git g++ gcc libc6-dev make pkg-config

FROM compiler
ARG GOLANG_VERSION=1.26
# GOTOOLCHAIN=local as in the official image: a newer go line in a go.mod is an error, not a download.
ENV GOLANG_VERSION=$GOLANG_VERSION \
    GOTOOLCHAIN=local \
    GOPATH=/go \
    PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=goroot / /usr/local/go/
RUN mkdir -p /go/src /go/bin && chmod -R 1777 /go && go version
WORKDIR /go
