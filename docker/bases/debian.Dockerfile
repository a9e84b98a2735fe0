# debian:bookworm-slim where Docker Hub cannot be reached. Build context: the folder in which debian-rootfs.sh wrote
# rootfs.tar. No RUN: an engine without network can build it.
FROM scratch
ADD rootfs.tar /
CMD ["bash"]
