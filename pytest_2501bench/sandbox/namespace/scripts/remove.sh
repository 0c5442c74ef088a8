#!/bin/sh
# Kills every process of a sandbox and removes what it left on disk; harmless when repeated. Runs detached from its caller,
# because a session that was interrupted has only seconds to live.
# usage: remove.sh SANDBOX_DIR SCOPE(all|hosts) [PREFIX…: command that gives root over the sandbox's files]
# SCOPE hosts keeps keys, plan and scripts for a new start. Exit status 1: something is left, named on stderr.
dir=$1 scope=$2
shift 2
alive() { # STAT_FILE → sets pid; true while that very process lives
  pid=
  { read -r then < "$1"; } 2> /dev/null || return 1
  { read -r now < "/proc/${then%% *}/stat"; } 2> /dev/null || return 1
  pid=${then%% *}
  # shellcheck disable=SC2086 # split into fields: state is 1, start time 20
  set -- ${now##*)}
  state=$1 start=${20}
  # shellcheck disable=SC2086
  set -- ${then##*)}
  [ "$start" = "${20}" ] && [ "$state" != Z ]
}
cgroup=
{ read -r cgroup < "$dir/cgroup"; } 2> /dev/null
busy() {
  for stat in "$dir"/*.stat "$dir"/*/*.stat; do alive "$stat" && return 0; done
  [ -n "$cgroup" ] && [ -d "$cgroup" ] && find "$cgroup" -name cgroup.procs -exec cat {} + 2> /dev/null | grep -q . && return 0
  return 1
}
# The hub's death ends all others, each reaped by its parent; killing parents too would leave their corpses to the machine's
# init, which may be slow to bury them, or absent in a container.
if alive "$dir/hub.stat"; then kill -9 "$pid"; fi
tries=0
while busy; do
  if [ $((tries % 100)) -eq 99 ] || { [ $tries -eq 0 ] && [ ! -e "$dir/hub.stat" ]; }; then
    for stat in "$dir"/*.stat "$dir"/*/*.stat; do if alive "$stat"; then kill -9 "$pid" 2> /dev/null; fi; done
    if [ -n "$cgroup" ]; then
      { echo 1 > "$cgroup/cgroup.kill"; } 2> /dev/null ||
        find "$cgroup" -name cgroup.procs -exec cat {} + 2> /dev/null | while read -r member; do kill -9 "$member" 2> /dev/null; done
    fi
  fi
  tries=$((tries + 1))
  if [ $tries -gt 1000 ]; then
    echo "processes that do not die (pids in $dir/*.stat${cgroup:+, $cgroup})" >&2
    exit 1
  fi
  sleep 0.01
done
if [ -n "$cgroup" ] && [ -d "$cgroup" ]; then
  tries=0
  until find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ]; then
      echo "cgroup $cgroup" >&2
      exit 1
    fi
    sleep 0.01
  done
  rmdir "$(dirname "$cgroup")" 2> /dev/null # the folder of all sandboxes, when this was the last
fi
if [ "$scope" = hosts ]; then set -- "$@" rm -rf -- "$dir"/*/upper "$dir"/*/work "$dir"/*/root "$dir"/*/booted "$dir"/*/lower* "$dir"/*/*.stat "$dir"/*.stat
else set -- "$@" rm -rf -- "$dir"; fi
if ! "$@" 2> /dev/null; then
  # An immutable file (chattr +i) is a classic of broken hosts; with a user namespace nobody can make one.
  chattr -R -f -i -a "$dir" 2> /dev/null
  if ! message=$("$@" 2>&1); then
    printf '%s\n' "$message" | head -n 3 >&2
    exit 1
  fi
fi
