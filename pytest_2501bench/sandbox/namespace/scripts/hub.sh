#!/bin/sh
# Pid 1 of a sandbox's outer namespaces (net, mnt, pid): a bridge without uplink, and the hosts. Killing it kills them all.
# usage: hub.sh SANDBOX_DIR SCRIPTS_DIR INIT(systemd|idle) VARIANT(root|user) OVERLAY_OPTIONS CGROUP(-: none, +: below our own)
set -eu
dir=$1 scripts=$2 init=$3 variant=$4 overlay=$5 cgroup=$6
# /proc is still the machine's: the numbers here are those that the outside sees.
read -r stat < /proc/self/stat && echo "$stat" > "$dir/hub.stat"
if [ "$cgroup" = + ]; then
  while IFS=: read -r number _ path; do
    if [ "$number" = 0 ]; then cgroup=$(cat "$dir/cgroup.mount")$path/$(basename "$dir"); fi
  done < /proc/self/cgroup
  echo "$cgroup" > "$dir/cgroup"
fi
exec 7< /proc/self/ns/net
{
  echo "link set lo up"
  echo "link add br0 type bridge"
  echo "link set br0 up"
  while read -r index _; do
    echo "link add up$index type veth peer name down$index"
    echo "link set up$index master br0 up"
  done < "$dir/plan"
} | ip -batch -
while read -r index name address; do
  (
    if [ "$cgroup" != - ]; then
      mkdir -p "$cgroup/$index"
      echo 0 > "$cgroup/$index/cgroup.procs"
    fi
    exec unshare --net --uts --ipc --cgroup \
      sh "$scripts/host.sh" "$dir/$index" "$scripts" "$init" "$variant" "$overlay" "$index" "$name" "$address"
  ) < /dev/null > "$dir/$index/console.log" 2>&1 &
done < "$dir/plan"
exec 7<&-
wait
