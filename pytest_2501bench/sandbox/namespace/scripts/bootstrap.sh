#!/bin/sh
# Pid 1 of a host: builds its file system, moves into it and becomes its init.
# usage: bootstrap.sh HOST_DIR INIT(systemd|idle) VARIANT(root|user) OVERLAY_OPTIONS
set -eu
dir=$1 init=$2 variant=$3 overlay=$4
root=$dir/root
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
read -r stat < /proc/self/stat && echo "$stat" > "$dir/init.stat"
exec 8> "$dir/booted"

# Relative, through links: the host sees these options in its /proc/mounts, and our paths are none of its business.
cd "$dir"
lower=
for link in lower*; do lower=$lower${lower:+:}$link; done
rm -rf work/work/incompat # a volatile overlay that was unmounted by a reboot
mount -t overlay -o "lowerdir=$lower,upperdir=upper,workdir=work,$overlay" overlay root
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys" 2> /dev/null || mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755,nosuid,size=4m tmpfs "$root/dev"
for node in null zero full random urandom tty; do
  : > "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
# A terminal that nobody reads: what is written there must not pile up.
: > "$root/dev/console"
mount --bind /dev/null "$root/dev/console"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mkdir -m 755 "$root/run/sshd" "$root/run/lock"
mkdir -m 700 "$root/run/access"
cp "$dir/access/sshd_config" "$dir/access/host_key" "$dir/access/authorized_keys" "$root/run/access/"
chmod 600 "$root/run/access/"*
if [ "$init" = systemd ]; then mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"; fi

keep=
if [ "$variant" = root ]; then
  # Without a user namespace, root here is root of the machine: what is the kernel's and not the host's is out of reach
  # of an accident (a clock that is set, a module loaded, a sysctl of the machine).
  for file in sys sys/net; do mount --bind "$root/proc/$file" "$root/proc/$file"; done
  for file in sysrq-trigger irq bus fs; do
    if [ -e "$root/proc/$file" ]; then
      mount --bind "$root/proc/$file" "$root/proc/$file"
      mount -o remount,bind,ro,nosuid,nodev,noexec "$root/proc/$file"
    fi
  done
  mount -o remount,bind,ro,nosuid,nodev,noexec "$root/proc/sys"
  keep="setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog,-wake_alarm --inh-caps=-all --"
fi

cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old 2> /dev/null || :
cd /
echo yes >&8
exec 8>&-
if [ "$init" = systemd ]; then
  # shellcheck disable=SC2086 # $keep is words or nothing
  exec env -i container=namespace "PATH=$path" LANG=C.UTF-8 $keep /sbin/init --show-status=0
fi
# Shells as pid 1 reap orphans while they wait.
# shellcheck disable=SC2086
exec env -i "PATH=$path" LANG=C.UTF-8 $keep /bin/sh -c 'trap "exit 0" TERM INT; while :; do sleep infinity & wait $!; done'
