# The HTTP API: sessions, tokens, reports.
# Build context: the repository root.
FROM golang:1.26-bookworm AS build
ARG GOPROXY
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY services/go.mod services/go.sum ./
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go mod download \
 && install -d -o 10001 -g 10001 -m 2775 /volumes/cache
COPY services/internal internal
COPY services/api-backend api-backend
RUN --mount=type=cache,id=gomod,target=/go/pkg/mod \
    --mount=type=cache,id=gobuild,target=/root/.cache/go-build \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    go build -trimpath -ldflags "-s -w" -o /out/ ./api-backend

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build --chown=10001:10001 /volumes/ /
COPY --from=build /out/ /
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["/api-backend"]
