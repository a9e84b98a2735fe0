# Redis with a password from a secret file and memory bounded by the container's limit.
# Build context: the repository root.
FROM debian:bookworm-slim
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    apt-get update \
 && apt-get install -y --no-install-recommends redis-server redis-tools \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /etc/redis \
 # A named volume takes owner and mode of the directory it is first mounted on. The group may
 # write, since STACK_UID can replace the user but not the group.
 && install -d -o 10001 -g 10001 -m 2775 /data
COPY --chmod=0644 services/redis/redis.conf /usr/local/etc/redis.conf
COPY --chmod=0755 services/redis/redis-entrypoint services/redis/redis-health /usr/local/bin/
USER 10001:10001
EXPOSE 6379
ENTRYPOINT ["/usr/local/bin/redis-entrypoint"]
