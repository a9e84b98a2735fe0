#!/bin/sh
# Makes the root file system of debian:bookworm-slim out of this machine's own apt sources, as `setup` does where the
# Hub cannot be reached. Needs root, debootstrap and apt (a Debian host; elsewhere name a mirror in DEBIAN_MIRROR).
#
#   debian-rootfs.sh DIRECTORY      writes DIRECTORY/rootfs.tar; DIRECTORY is the build context of debian.Dockerfile
#
# A tarball, not a folder: BuildKit makes every file of a folder root's, and Debian's owners (shadow, _apt, mail) count.
#
# What is deleted and configured follows debuerreotype, which makes the official image (see README.md).
set -eu

suite=bookworm
out=${1:?usage: $0 DIRECTORY}
partial=$out/rootfs.partial
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# An apt proxy of the host serves debootstrap (wget) and the chroot's apt too.
if [ -z "${http_proxy:-}" ]; then
  eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
  [ -z "${http_proxy:-}" ] || export http_proxy
fi

# "URI suite" of each of the host's sources for this release, the updates and security suites included.
# apt prints "$(RELEASE)" as the suite was written in the sources file.
sources=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  awk -v s="$suite" '$3 == "main" && ($2 == s || $2 == s "-updates" || $2 == s "-security") {print $1, $2}' | sort -u)
mirror=${DEBIAN_MIRROR:-$(echo "$sources" | awk -v s="$suite" '$2 == s {print $1; exit}')}
[ -n "$mirror" ] || { echo "making $out/rootfs.tar: no apt source for Debian $suite here; set DEBIAN_MIRROR" >&2; exit 1; }
[ -n "$sources" ] || sources="$mirror $suite"

rm -rf --one-file-system "$partial"
mkdir -p "$out"
debootstrap --variant=minbase --keyring="$keyring" "$suite" "$partial" "$mirror"

rm -f "$partial/etc/apt/sources.list"
echo "$sources" | while read -r uri name; do
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$uri" "$name" "$keyring"
done >"$partial/etc/apt/sources.list.d/debian.sources"

# Services must not start while packages are installed in an image.
printf '#!/bin/sh\nexit 101\n' >"$partial/usr/sbin/policy-rc.d"
chmod 0755 "$partial/usr/sbin/policy-rc.d"
echo force-unsafe-io >"$partial/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
conf=$partial/etc/apt/apt.conf.d
cat >"$conf/docker-clean" <<'CONF'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
echo 'Acquire::Languages "none";' >"$conf/docker-no-languages"
echo 'Acquire::GzipIndexes "true";' >"$conf/docker-gzip-indexes"
echo 'Apt::AutoRemove::SuggestsImportant "false";' >"$conf/docker-autoremove-suggests"

# The slim variant: dpkg leaves these out from now on, and what debootstrap unpacked goes. Copyright files stay.
slim="/usr/share/doc /usr/share/info /usr/share/linda /usr/share/lintian /usr/share/locale /usr/share/man"
{
  for dir in $slim; do echo "path-exclude $dir/*"; done
  echo 'path-include /usr/share/doc/*/copyright'
} >"$partial/etc/dpkg/dpkg.cfg.d/docker"
for dir in $slim; do
  [ -d "$partial$dir" ] || continue
  find "$partial$dir" -mindepth 1 ! -type d ! -path '/*/usr/share/doc/*/copyright' -delete
  find "$partial$dir" -mindepth 1 -type d -empty -delete
done

# debootstrap installs the release as it was published; security and point updates come on top.
if [ "$(echo "$sources" | wc -l)" -gt 1 ]; then
  chroot "$partial" apt-get update -q
  chroot "$partial" apt-get -yq dist-upgrade
fi
chroot "$partial" apt-get clean

# What is left of this machine and of the installation.
rm -rf "$partial"/var/lib/apt/lists/* "$partial"/var/cache/apt/*.bin "$partial"/var/cache/ldconfig/aux-cache \
  "$partial"/var/cache/debconf/*-old "$partial"/var/lib/dpkg/*-old "$partial"/tmp/* "$partial"/run/mount
find "$partial/var/log" -type f -delete
: >"$partial/etc/machine-id"
rm -f "$partial/etc/resolv.conf" "$partial/etc/hostname"

tar -C "$partial" --numeric-owner --sort=name -cf "$out/rootfs.tar.partial" .
mv "$out/rootfs.tar.partial" "$out/rootfs.tar"
rm -rf --one-file-system "$partial"
