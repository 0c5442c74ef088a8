#!/bin/sh
# Writes the merged content of read-only layers to stdout as a tar archive. Runs in a mount namespace of its own.
# usage: export.sh OVERLAY_OPTIONS LAYER… (topmost first)
set -eu
options=$1
shift
tree=$1
if [ $# -gt 1 ]; then
  tree=/mnt
  lower=$(
    IFS=:
    echo "$*"
  )
  mount -t overlay -o "ro,lowerdir=$lower,$options" overlay "$tree"
fi
exec tar --create --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' --directory "$tree" .
