#!/bin/sh
# Installs packages on top of root filesystem layers into an upper directory, with the machine's network and no daemon started.
# usage: layer.sh BUILD_DIR LOWER[:LOWER…] OVERLAY_OPTIONS CA_FILE(or -) APT_OPTION… -- PACKAGE…
# BUILD_DIR/sources.list, if there, replaces the package sources of the root filesystem. BUILD_DIR/requirements.txt, if there,
# is installed into a virtual environment /opt/NAME, NAME from BUILD_DIR/python; pip sees the files in BUILD_DIR/binds.
# Runs as pid 1 of namespaces of its own, so whatever an installation starts ends with it.
set -eu
build=$1 lower=$2 overlay=$3 ca=$4
shift 4
root=$build/mount
mkdir -p "$root" "$build/root" "$build/work"
mount -t overlay -o "lowerdir=$lower,upperdir=$build/root,workdir=$build/work,$overlay" overlay "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : > "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/lock"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
if [ "$ca" != - ]; then
  # The machine may trust an authority of its own on the way to its mirror.
  cp "$ca" "$root/run/machine-ca.crt"
  set -- -o Acquire::https::CAInfo=/run/machine-ca.crt "$@"
fi
if [ -e "$build/sources.list" ]; then
  cp "$build/sources.list" "$root/run/sources.list"
  set -- -o Dir::Etc::SourceList=/run/sources.list -o Dir::Etc::SourceParts=/dev/null "$@"
fi
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
options=
while [ "$1" != -- ]; do
  options="$options $1"
  shift
done
shift
if [ $# -gt 0 ]; then
  # shellcheck disable=SC2086 # options are words without spaces
  chroot "$root" apt-get $options -q update
  # shellcheck disable=SC2086
  chroot "$root" apt-get $options -q -y --no-install-recommends -o DPkg::Options::=--force-confold install "$@"
fi
chroot "$root" dpkg-query -W > "$build/packages.txt"
if [ -e "$build/requirements.txt" ]; then
  cp "$build/requirements.txt" "$root/run/requirements.txt"
  while read -r inside path; do
    mkdir -p "$root/run/pip"
    if [ -d "$path" ]; then mkdir "$root$inside"; else : > "$root$inside"; fi
    mount --bind "$path" "$root$inside"
  done < "$build/binds"
  venv=/opt/$(cat "$build/python")
  chroot "$root" python3 -m venv "$venv"
  chroot "$root" "$venv/bin/pip" --no-input --disable-pip-version-check --no-cache-dir install --progress-bar off -r /run/requirements.txt
  chroot "$root" "$venv/bin/pip" --disable-pip-version-check freeze > "$build/python.txt"
fi
rm -f "$root/usr/sbin/policy-rc.d"
umount -l "$root"
upper=$build/root
rm -rf "$upper"/var/lib/apt/lists "$upper"/var/cache/apt "$upper"/var/log/apt "$upper"/var/log/dpkg.log "$upper"/etc/ssh/ssh_host_*
rm -rf "$upper/root/.cache"
rm -rf "$upper/run" "$upper/dev" "$upper/proc" "$upper/tmp" "$upper/etc/resolv.conf" "$upper/etc/machine-id"
sync -f "$upper"
