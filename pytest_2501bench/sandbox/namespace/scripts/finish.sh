#!/bin/sh
# Makes a freshly unpacked Debian a template: no keys, no identity, and no units that have nothing to do in a namespace.
# usage: finish.sh ROOT
set -eu
root=$1
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/etc/resolv.conf"
rm -f "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/apt/* "$root/var/log/bootstrap.log"
# A password for the mirror or the proxy was for the build only.
for file in "$root/etc/apt/sources.list" "$root/etc/apt/apt.conf.d/99mmdebstrap"; do
  if [ -e "$file" ]; then sed -i 's,://[^/@ "]*@,://,' "$file"; fi
done
: > "$root/etc/hostname"
: > "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
echo 'LANG=C.UTF-8' > "$root/etc/default/locale"
mkdir -p "$root/etc/systemd/system" "$root/etc/systemd/journald.conf.d"
for unit in \
  getty.target getty@.service console-getty.service serial-getty@.service container-getty@.service getty-static.service \
  systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service systemd-udev-settle.service \
  systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service systemd-firstboot.service \
  systemd-journald-audit.socket systemd-logind.service systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service \
  systemd-hwdb-update.service systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-pcrphase.service \
  systemd-pcrphase-sysinit.service systemd-rfkill.socket systemd-initctl.socket systemd-ask-password-console.path \
  systemd-ask-password-wall.path systemd-random-seed.service systemd-boot-system-token.service systemd-repart.service \
  kmod-static-nodes.service modprobe@.service ldconfig.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
  apt-daily.timer apt-daily-upgrade.timer man-db.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Reached by `sshd -i`; a daemon would only cost boot time. `systemctl start ssh` works for a scenario that wants it.
rm -f "$root/etc/systemd/system/multi-user.target.wants/ssh.service" "$root/etc/systemd/system/sshd.service"
printf '[Journal]\nReadKMsg=no\nAudit=no\nSystemMaxUse=64M\n' > "$root/etc/systemd/journald.conf.d/sandbox.conf"
