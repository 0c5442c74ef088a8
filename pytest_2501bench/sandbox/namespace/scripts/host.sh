#!/bin/sh
# Network of one host, from inside its own network namespace but still in the hub's pid namespace; then boots it, and again
# when it reboots.
# usage: host.sh HOST_DIR SCRIPTS_DIR INIT VARIANT OVERLAY_OPTIONS INDEX HOST_NAME ADDRESS; fd 7: the hub's network
set -eu
dir=$1 scripts=$2 init=$3 variant=$4 overlay=$5 index=$6 name=$7 address=$8
read -r stat < /proc/self/stat && echo "$stat" > "$dir/host.stat"
# By descriptor: /proc/PID belongs to the machine's pid namespace and would name a stranger here.
nsenter --net=/proc/self/fd/7 ip link set "down$index" netns $$
exec 7<&-
ip -batch - <<BATCH
link set down$index name eth0
address add $address/24 dev eth0
link set eth0 up
link set lo up
BATCH
hostname "$name"
status=129
while [ $status -eq 129 ]; do # the kernel ends a pid namespace that calls reboot(2) with SIGHUP, one that powers off with SIGINT
  status=0
  unshare --pid --mount --propagation private --fork --kill-child=SIGKILL \
    sh "$scripts/bootstrap.sh" "$dir" "$init" "$variant" "$overlay" || status=$?
done
