#!/bin/sh
# Makes the writable layer of a host that a playbook has worked on a part of a template: what is this host's own goes, and so
# does every trace of the work.
# usage: clean.sh UPPER
set -eu
cd "$1"
rm -rf etc/hostname etc/hosts etc/resolv.conf etc/machine-id etc/ssh/ssh_host_* var/lib/dbus/machine-id
rm -rf run dev proc sys tmp var/tmp var/lib/apt/lists var/cache/apt
rm -rf root/.ansible root/.bash_history root/.cache var/lib/systemd/random-seed var/lib/systemd/timers var/log/journal
if [ -d var/log ]; then find var/log -type f -delete; fi
sync -f .
