# What the tests of backups start by hand: PostgreSQL and MariaDB to save, and an SSH server to save to.
# Nothing of the build context is read.
FROM debian:bookworm-slim
RUN --mount=type=cache,id=apt-backup-test-cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,id=apt-backup-test-lists,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
 && apt-get update -q \
 && apt-get install -yq --no-install-recommends postgresql-15 mariadb-server-core mariadb-client openssh-server \
 && useradd --system --shell /usr/sbin/nologin mysql \
 # PostgreSQL compiles queries with LLVM where it finds that, which is a third of the image.
 && rm -rf /usr/lib/*/libLLVM* /usr/lib/llvm* /usr/lib/postgresql/*/lib/bitcode /usr/lib/postgresql/*/lib/llvmjit* \
    /var/lib/postgresql/* /var/lib/mysql /etc/ssh/ssh_host_*
