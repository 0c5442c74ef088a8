#!/bin/sh
# ProxyCommand: serves one SSH connection on stdin and stdout with a sshd inside the host. Its environment is not ours, which
# root of the host could read from /proc.
dir=@DIR@/@INDEX@
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
gone() {
  echo "the host does not run" >&2
  exit 1
}
{ read -r then < "$dir/init.stat"; } 2> /dev/null || gone
pid=${then%% *}
{ read -r now < "/proc/$pid/stat"; } 2> /dev/null || gone
# Same pid and same start time (field 20 after the name), or it is a stranger's process.
set -- ${now##*)}
start=${20}
set -- ${then##*)}
[ "$start" = "${20}" ] || gone
{ read -r cgroup < "@DIR@/cgroup" && mkdir -p "$cgroup/@INDEX@/ssh" && echo 0 > "$cgroup/@INDEX@/ssh/cgroup.procs"; } 2> /dev/null
case @VARIANT@ in
  root) limits="setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog,-wake_alarm --inh-caps=-all --" ;; # as pid 1
  *) limits= ;;
esac
# ssh ends its proxy with a signal. Without nsenter to reap it, the dead sshd would wait for the machine's init to do so, and
# until then the host's pid namespace cannot end.
trap '' HUP INT TERM
exec env -i "PATH=$PATH" nsenter --target "$pid" @USER@ --mount --uts --ipc --net --pid --cgroup -- \
  /bin/sh -c "mkdir -p /run/sshd; exec $limits env --default-signal=HUP,INT,TERM /usr/sbin/sshd -i -f /run/access/sshd_config"
