#!/bin/sh
# Notes who it is before it becomes the first process of a sandbox, so that a reaper can find it from then on.
# usage: launch.sh SANDBOX_DIR COMMAND…
set -eu
read -r stat < "/proc/$$/stat"
echo "$stat" > "$1/launch.stat"
shift
exec "$@"
