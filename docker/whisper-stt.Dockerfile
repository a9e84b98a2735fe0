# whisper-stt: whisper.cpp's server and PocketSphinx behind the Go service. Build context: the repository's root.

# whisper.cpp's source tree, as an npm package ships it.
FROM debian:bookworm-slim AS whisper-source
RUN --mount=type=cache,id=apt-npm-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-npm-lists,target=/var/lib/apt/lists,sharing=locked \
    # npm's 380 packages are unpacked, not installed: their scripts take a minute, and npm pack needs none of them.
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update -q && apt-get install -yq --no-install-recommends ca-certificates \
    && apt-get autoclean -q && apt-get install -yq --no-install-recommends --download-only npm \
    && for deb in /var/cache/apt/archives/*.deb; do \
       dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C / || exit 1; done
WORKDIR /src
ARG WHISPER_PACKAGE=nodejs-whisper@0.3.1
ARG WHISPER_SHA256=92041caf2b26c74b7f489fedf37bd093f216eebd61df512045ec2d19d0531d37
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm pack --silent "$WHISPER_PACKAGE" >/dev/null \
    && mv ./*.tgz /package.tgz \
    && echo "$WHISPER_SHA256  /package.tgz" | sha256sum -c - \
    && tar -xzf /package.tgz --strip-components=3 package/cpp/whisper.cpp

FROM golang:1.26-bookworm AS whisper-build
RUN --mount=type=cache,id=apt-cmake-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-cmake-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update -q && apt-get install -yq --no-install-recommends cmake
COPY --from=whisper-source /src /src
# ggml picks the CPU code at run time among the variants beside the program (GGML_BACKEND_DL), so one image runs on any
# x86-64 or ARMv8 machine and uses AVX2 or dot products where they are. Of upstream's 14 x86 variants two are kept:
# baseline and AVX2; each costs about 40 s of build. The server itself only passes on what the libraries compute.
RUN sed -i '1i string(REPLACE "-O3" "-O1" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")' /src/examples/CMakeLists.txt \
    && sed -i -E '/^ +ggml_add_cpu_backend_variant\(/{/\((x64|haswell|armv8\.0_1|armv8\.2_2)[ )]/!d}' /src/ggml/src/CMakeLists.txt \
    && cmake -S /src -B /build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
      -DGGML_NATIVE=OFF -DGGML_BACKEND_DL=ON -DGGML_CPU_ALL_VARIANTS=ON -DGGML_OPENMP=ON \
      -DWHISPER_BUILD_TESTS=OFF -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON '-DCMAKE_INSTALL_RPATH=$ORIGIN' \
    && cmake --build /build --parallel "$(nproc)" --target whisper-server \
    && mkdir /out && cp -P /build/bin/whisper-server /build/bin/lib*.so* /out/ \
    && find /out -type f -exec strip --strip-unneeded {} +

# PocketSphinx from Debian's source, so that a child takes half the memory: see the patch. services-test's stage is the same.
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
COPY services/whisper-stt whisper-stt
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w" -o /out/ ./whisper-stt

FROM debian:bookworm-slim
RUN --mount=type=cache,id=apt-whisper-stt-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-whisper-stt-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update -q \
    && apt-get install -yq --no-install-recommends libgomp1 \
    && install -d -o 10001 -g 10001 -m 2775 /models
COPY --from=whisper-build /out /usr/local/lib/whisper
RUN ln -s ../lib/whisper/whisper-server /usr/local/bin/whisper-server
COPY --from=sphinx /out /usr
COPY --from=build /out/whisper-stt /usr/local/bin/whisper-stt
USER 10001:10001
EXPOSE 8001
ENTRYPOINT ["/usr/local/bin/whisper-stt"]
