"""Command patterns that several policies share, or that would hide their rules: see policies.py. Pure.

Written for one simple command as text (docs/rules.md). ``ANY`` passes over words; nothing here can take more than a few
times the length of a command.
"""

from __future__ import annotations

from typing import Final

ANY: Final = r"(?:[^ ]* )*"
"""Any words."""
END: Final = r"(?= |$)"
"""The end of a word."""
SYSTEMCTL: Final = (
    r"systemctl (?:-(?:[HMntpos] [^ ]*|-(?:host|machine|type|state|property|signal|kill-who|kill-whom|lines|output|"
    r"what|"
    r"root|job-mode|message|when) [^ ]*|[^ ]*) )*+"
)
"""systemctl up to its verb."""
KUBECTL: Final = r"kubectl (?:-(?:n|s|-namespace|-context|-cluster|-kubeconfig|-server|-user) [^ ]* |-[^ ]* )*+"
"""kubectl up to its verb."""
TEMPORARY: Final = r"/(?:var/)?tmp/(?![.*?]*(?:/| |$))(?:(?!/\.\.)[^ ])*"
"""A path below /tmp or /var/tmp: neither the folder itself nor all of it."""
SELECTS: Final = (
    r"-(?:i?(?:name|path|regex|wholename) (?![*.]+(?: |$))|newer\w* |mtime |mmin |atime |amin |ctime |cmin |size |"
    r"user |"
    r"group |empty|perm |links |inum |samefile )"
)
"""A test of find that takes some files, not all."""

_RECURSIVE: Final = rf"(?:-(?!-)[^ ]*[rR][^ ]*|--r[a-z]*){END}"
RM_RECURSIVE: Final = rf"rm {ANY}{_RECURSIVE}"
SYSTEM_FOLDER: Final = (
    r"(?:/[./]*\*?|/[./]*(?:etc|var|usr|home|srv|opt|boot|root|bin|lib\w*|sbin|dev|proc|sys|mnt|media|run|"
    r"var/lib)[./]*\*?|"
    rf"~/?\*?|--no-p[a-z-]*){END}"
)
"""A folder without which there is no host, or all that is in it."""
RM_SYSTEM: Final = rf"rm (?={ANY}{_RECURSIVE}){ANY}{SYSTEM_FOLDER}"

SERVICE_STARTS: Final = (
    r"service \S+ (?:(?:force-)?re)?(?:start|load)",
    SYSTEMCTL + r"(?:(?:try-|force-)?(?:re)?(?:start|load)(?:-or-\w+)*|enable --now|reenable --now)\b",
    r"[a-z][\w.+-]* (?:force-)?(?:re)?(?:start|load)$",
    r"(?:nginx|apache2) -(?:s reload|k \w+)",
    r"nginx$",
    r"(?:apachectl|apache2ctl) (?:restart|graceful|start)",
    r"supervisorctl (?:restart|start|reload|update)\b",
    r"(?:docker|podman) (?:compose (?:-f [^ ]* )?(?:up|restart|start)|restart|start)\b",
    KUBECTL + r"rollout restart\b",
    r"(?:service|systemd|systemd_service|sysvinit) .*\bstate=(?:restarted|started|reloaded)",
)
"""Starts, restarts and reloads of services; the last one is Ansible's."""

_KEPT: Final = r"(?:etc|usr|var|opt|srv|home|root|boot|lib)"
_NO_FILES: Final = r"/(?:(?:var/)?tmp|proc|sys|dev)/"
_LAST_FILES: Final = (
    rf"(?:(?:(?P<file>/{_KEPT}/[^ ]*)|(?!/{_KEPT}/)[^ ]*) )*+"  # words in front that look like paths, not like a script
    rf"(?!{_NO_FILES})(?P<file>[^ >-][^ ]*)$"
)
IN_PLACE: Final = (
    # A suffix (-i.bak, --in-place=~) makes the copy.
    rf"sed (?={ANY}(?:-[nErsuz]*i|--in-place){END}){_LAST_FILES}",
    rf"perl (?={ANY}-\w*i{END}){_LAST_FILES}",
    rf"(?:ed|ex|patch|crudini|sponge|vi|vim|nano|emacs|joe|mcedit) {ANY}(?P<file>/(?!(?:var/)?tmp/)[^ ]*)",
    rf"tee (?={ANY}(?:-a|--append){END}){ANY}(?P<file>/(?!(?:var/)?tmp/|proc/|sys/|dev/)[^ ]*)",
    r".* >>(?P<file>/(?!(?:var/)?tmp/|var/log/|proc/|sys/|dev/)[^ ]*)",
    r"(?:lineinfile|replace|blockinfile|ini_file|xml) (?!.*\bbackup=(?i:true|yes|1)).*?(?:path|dest)=(?P<file>[^ ]*)",
)
"""Edits that leave nothing of the file as it was."""

_COPIED: Final = r"(?P<file>[^- ][^ ]*)"
BACKUPS: Final = (
    rf"(?:cp|rsync|install) (?:(?:-[^ ]*|{_COPIED}) )+[^ ]+",
    rf"(?:tar|zip|7z|cpio|ar) {ANY}?(?:-?\w*c\w*|--create|-r|a|[^ ]*\.zip){END}(?: (?:-[^ ]*|{_COPIED}))+",
    rf"sed (?={ANY}(?:-[nErsuz]*i[.~_][^ ]*|--in-place=[^ ]*){END}).* {_COPIED}$",
    rf"perl (?={ANY}-\w*i[.~_][^ ]*{END}).* {_COPIED}$",
    rf"cat {_COPIED} >(?!>)",
    rf"dd {ANY}?if=(?P<file>[^ ]*)",
    r"git (?:-C [^ ]* )?commit\b|etckeeper commit|borg create|restic .*backup\b|snapper create|lvcreate .*-(?:s|"
    r"-snapshot)\b",
    r"(?:copy|fetch) (?:.*\b)?src=(?P<file>[^ ]*)",
    # What the session itself makes anew is no file that was there before.
    r"[^>]* >(?P<file>/[^ ]*)$",
    r"(?:tee|touch|mktemp) (?P<file>/[^ ]*)$",
)
"""Copies; and files that come from the session itself."""

_DELETED: Final = r"(?:-[^ ]*|(?P<file>[^- ][^ ]*))"
DELETIONS: Final = (
    rf"(?:rm|unlink|shred|rmdir) (?:{_DELETED}(?: |$))+",
    r"truncate (?:(?:-s|--size|-r) [^ ]* |-[^ ]* )*(?:(?P<file>[^- ][^ ]*)(?: |$))+",
    r"find (?:(?P<file>[^-(! ][^ ]*) )++.*-delete\b",
    r"file (?=.*\bstate=absent)(?:.*\b)?path=(?P<file>[^ ]*)",
)
SIGHTS: Final = (
    r"(?:ls|dir|stat|du|tree|file|cat|head|tail|less|more|zless|zcat|zgrep|grep|egrep|wc|lsof|fuser|md5sum|sha256sum|"
    r"namei|"
    rf"strings|getfacl|lsattr|diff|cmp|readlink|realpath|xxd|hexdump|od|ncdu)(?:$| (?:{_DELETED}(?: |$))*)",
    r"find (?!.*-(?:delete|exec|execdir|ok|okdir)\b)(?:(?P<file>[^-(! ][^ ]*)(?: |$))*",
    r"find (?=.*-exec (?:ls|stat|du|file) )(?:(?P<file>[^-(! ][^ ]*) )*",
    r"(?:cp|rsync|tar|install) (?:(?:-[^ ]*|(?P<file>[^- ][^ ]*))(?: |$))+",
    r"(?:mv|touch|mktemp|tee|mkdir) (?:(?:-[^ ]*|(?P<file>[^- ][^ ]*))(?: |$))+",
    r".* >(?P<file>[^ ]+)$",
    r"(?:stat|find|slurp|fetch) (?:.*\b)?(?:path|paths|src)=(?P<file>[^ ]*)",
)
"""Looks at a file or the folder that it lies in; what the session wrote itself is known too."""

CHANGES: Final = (
    *SERVICE_STARTS,
    r"service \S+ stop",
    SYSTEMCTL + r"(?:stop|kill|enable|disable|mask|unmask|isolate|set-property|revert|edit|daemon-re\w+)\b",
    r"(?:rm|rmdir|unlink|truncate|shred|mv|chmod|chown|chgrp|setfacl|usermod|userdel|useradd|ln|mkswap|"
    r"swapon) ",
    r"passwd (?!.*(?:-S|--status)\b)",
    r"chage (?!.*(?:-l|--list)\b)",
    r"(?:kill|pkill|killall) (?!-(?:0|l)\b)",
    r"(?:iptables|ip6tables) (?!.*(?:-\w*[LS]|--list))",
    r"nft (?!(?:-\S+ )*list\b)",
    r"ufw (?!status|show|version)",
    r"(?:umount|swapoff|renice|sysctl -w|sysctl -p|modprobe|rmmod)\b",
    r"mount [^ ]* ",
    r"ip (?:-\S+ )*\w+ (?:add|del|delete|set|flush|replace|change)\b",
    r"crontab (?!.*-l)",
    r"(?:cp|install|rsync) (?:.* )?/(?:etc|usr|opt|srv|lib)/[^ ]*$",
    r"tee (?:-\S+ )*/(?!(?:var/)?tmp/)",
    r".* >/(?!(?:var/)?tmp/|dev/|root/)",
    KUBECTL + r"(?:apply|delete|edit|patch|scale|set|create|replace|drain|cordon|uncordon|taint|label|annotate|"
    r"rollout (?!status|hist))",
    r"(?:docker|podman) (?:compose (?:-f [^ ]* )?down|stop|rm|kill|run|update|system prune|volume rm)\b",
    r"(?:apt|apt-get|dpkg|dnf|yum|snap) (?:-\S+ )*(?:install|remove|purge|upgrade|-[irP])\b",
    r"redis-cli .*(?i:config set|flush|del |set |shutdown)",
    rf"(?:sed|perl) (?!.* {_NO_FILES}[^ ]*$)(?={ANY}(?:-[a-zA-Z]*i|--in-place))",
    *IN_PLACE,
    r"(?:copy|template|file|user|group|cron|mount|sysctl|apt|package|iptables|ufw|lvol|filesystem|unarchive|"
    r"get_url) .*\w=",
)
"""What alters a host."""

SERVICE_CHECKS: Final = (
    r"service \S+ status",
    SYSTEMCTL + r"(?:status|show|is-active|is-failed|is-system-running|list-\S+)\b",
    r"systemctl --failed",
    r"[a-z][\w.+-]* status$",
    r"(?:curl|wget|http|nc|ncat|telnet|ping|dig|host|nslookup|ss|netstat|lsof|fuser|ps|pgrep|pidof|pstree|top|uptime|"
    r"mountpoint|findmnt|df|journalctl|swapon|showmount|exportfs|rpcinfo|chronyc|ntpq|timedatectl|resolvectl|getent|"
    r"nmap)\b",
    r"openssl s_client",
    r"(?:cat|tail|head|grep|egrep|less|awk|sed -n|zgrep|wc|ls|stat|test|\[) .*(?:log|/run/|/proc/|\.sock|\.pid)",
    r"(?:redis-cli|psql|mysql|mariadb|mysqladmin|mariadb-admin|pg_isready|pg_lsclusters|mongosh|rabbitmqctl|etcdctl|"
    r"ldapsearch|"
    r"smbclient|mailq|postqueue|varnishadm|socat|swaks|rabbitmq-diagnostics|fail2ban-client|supervisorctl|crontab|"
    r"rsync)\b",
    r"(?:docker|podman|crictl) (?:ps|logs|inspect|stats|top|compose (?:ps|logs)|exec)\b",
    KUBECTL + r"(?:get|describe|logs|rollout status|wait|top|events)\b",
    r"(?:uri|service_facts|systemd_service_info) ?",
    r"python3? .*(?:urllib|requests|socket|http)",
)
"""Looks at whether a service works."""

_TESTED: Final = (
    r"nginx|apache|haproxy|ssh|named|squid|postfix|dovecot|php|unbound|dnsmasq|caddy|rsyslog|keepalived|mysql"
)
_NAMED: Final = rf"(?=.* (?:{_TESTED}|bind9))(?: (?:(?P<service>{_TESTED})[^ ]*|[^ ]*))++"
TESTED_STARTS: Final = (
    rf"{SYSTEMCTL}(?:(?:try-|force-)?re(?:start|load)(?:-or-\w+)*|start|enable --now){_NAMED}",
    rf"service (?:(?P<service>{_TESTED})|bind9)[^ ]* (?:force-)?(?:re)?(?:start|load)",
    rf"(?P<service>{_TESTED})[^ ]* (?:force-)?(?:re)?(?:start|load)$",
    r"(?P<service>nginx) -s reload",
    r"(?P<service>nginx)$",
    r"(?P<service>apache)(?:ctl|2ctl|2) (?:-k )?(?:re)?start",
    r"(?:service|systemd|systemd_service|sysvinit) (?=.*\bstate=(?:restarted|started|"
    rf"reloaded)).*\bname=(?P<service>{_TESTED})",
)
CONFIG_TESTS: Final = (
    rf"(?P<service>nginx) (?!.*-s ){ANY}-q?[tT]q?{END}",
    r"(?:service )?(?P<service>nginx|apache)[^ ]* configtest",
    r"(?P<service>apache)(?:ctl|2ctl|2) .*(?:-[tS]|configtest)\b",
    r"(?P<service>haproxy) (?:.* )?-\w*c\w*\b",
    r"(?P<service>ssh)d (?:.* )?-[tT]\b",
    r"(?P<service>named)-check(?:conf|zone)\b",
    r"(?P<service>squid) .*-k parse",
    r"(?P<service>postfix) check",
    r"(?P<service>dovecot) -n|(?P<service>dove)conf",
    r"(?P<service>php)-fpm\S* (?:.* )?(?:-t+\b|--test)",
    r"(?P<service>unbound)-checkconf",
    r"(?P<service>dnsmasq) (?:.* )?--test",
    r"(?P<service>caddy) validate",
    r"(?P<service>rsyslog)d (?:.* )?-N",
    r"(?P<service>keepalived) (?:.* )?(?:-t|--config-test)",
    r"(?P<service>mysql)d (?:.* )?--validate-config",
)
_BELOW_ETC: Final = rf"/etc/(?P<service>{_TESTED})"
CONFIG_EDITS: Final = (
    rf"(?:sed|perl) (?={ANY}-(?:\w*i|-in-place)).*{_BELOW_ETC}",
    rf"(?:tee|patch|ed|ex|vi|vim|nano|rm|unlink|mv|truncate) .*{_BELOW_ETC}",
    rf".* >{_BELOW_ETC}",
    rf"(?:cp|install|ln|rsync) .* {_BELOW_ETC}[^ ]*$",
    rf"(?:lineinfile|replace|blockinfile|ini_file|copy|template|file) .*(?:path|dest)={_BELOW_ETC}",
)

PACKAGE_CHANGES: Final = (
    r"(?:apt|apt-get|aptitude) (?:-(?:[otac] [^ ]* |[^ ]* ))*+(?:install|reinstall|remove|purge|autoremove|"
    r"autopurge|"
    rf"upgrade|safe-upgrade|full-upgrade|dist-upgrade|dselect-upgrade|build-dep|satisfy){END}",
    rf"dpkg {ANY}(?:-[irP]|--(?:install|remove|purge|unpack)){END}",
    r"(?:dnf|yum|microdnf) (?:-\S+ )*(?:module |group)?(?:install|reinstall|remove|erase|update|upgrade|"
    r"downgrade|autoremove"
    rf"|swap|distro-sync|builddep|localinstall){END}",
    rf"zypper (?:-\S+ )*(?:in|install|rm|remove|up|update|dup|patch){END}",
    rf"apk (?:-\S+ )*(?:add|del|upgrade|fix){END}",
    rf"(?:snap|flatpak) (?:install|remove|uninstall|refresh|update|revert){END}",
    r"pacman -[SRU]\w*(?<![sQ]) ",
    rf"rpm {ANY}(?:-[iUFe]\w*|--(?:install|upgrade|freshen|erase)){END}",
    rf"(?:pip[0-9.]*|pipx|gem|cargo|go|conda|brew) (?:-\S+ )*(?:install|uninstall|remove|update|upgrade){END}",
    rf"python[0-9.]* -m pip (?:-\S+ )*(?:install|uninstall){END}",
    rf"(?:npm|yarn|pnpm) (?:-\S+ )*(?:install|i|ci|add|rm|remove|uninstall|update|upgrade){END}",
    r"unattended-upgrades?\b|do-release-upgrade\b|dselect\b",
    r"(?:apt|package|dnf|yum|pip|gem|npm|snap) (?:\S+ )*?(?:name|pkg|deb|upgrade|autoremove|requirements)=",
)
"""Installs, upgrades and removals."""

MORE_RIGHTS: Final = (
    rf"chmod (?:-[^ ]* )*(?:[0-7]{{0,3}}[2367]|"
    rf"(?:[^ ]*,)?[ugo]*[ao][ugoa]*[+=][rxXst]*w[rwxXst]*(?:,[^ ]*)?){END}",
    rf"chmod (?:-[^ ]* )*(?:[4567][0-7]{{3}}|(?:[^ ]*,)?(?:[go]*[ua][ugoa]*)?[+=][rwxX]*s[^ ]*){END}",
    r"setfacl .*\bo(?:ther)?::?[r-]?w",
    rf"(?:mkdir|install) {ANY}(?:-m ?|--mode[= ])[0-7]{{0,3}}[2367]{END}",
    rf"umask 0?00[0-5]{END}|umask 0{END}",
    r"setcap ",
    r"(?:usermod|gpasswd|adduser|useradd|groupmems) .*\b(?:sudo|wheel|docker|root|adm|shadow|disk|lxd|"
    r"incus)\b(?!/)",
    r"user(?:mod|add) .*-\w*[ou]\w* 0\b",
    r"passwd (?:-\w*d|--delete)",
    r".* >/etc/sudoers",
    r"(?:tee|sed|ed|ex|vi|vim|nano|perl) .*/etc/sudoers",
    r"(?:cp|mv|install|ln) .* /etc/sudoers[^ ]*$",
    r"visudo(?!.* -\w*c)(?!.*--check)",
    r"(?:sed|perl) (?=.*-\w*i).*(?:PermitRootLogin|PermitEmptyPasswords|NOPASSWD)[^ ]* yes",
    r"(?!(?:grep|egrep|echo|printf) [^>]*$).*(?:PermitRootLogin|PermitEmptyPasswords) yes.* >/",
    r"(?:tee|cat) .*(?:<<<).*(?:PermitRootLogin yes|PermitEmptyPasswords yes|NOPASSWD)",
    r".* >[^ ]*/authorized_keys|tee .*/authorized_keys|ssh-copy-id\b",
    r"(?:docker|podman) (?:run|create) .*--(?:privileged|pid=host|cap-add[= ](?:ALL|SYS_ADMIN))",
    rf"{KUBECTL}create (?:cluster)?rolebinding .*cluster-admin",
    r"(?:psql|mysql|mariadb) .*(?i:\bsuperuser\b|grant all .*on \*\.\*)",
    r"(?:file|copy|template|lineinfile) (?:\S+ )*?mode=(?:['u0]*[0-7]{2}[2367]|[ugoa=rwx,]*[oa][+=]r?w)",
    r"(?:lineinfile|blockinfile|copy|replace) .*(?:path|dest)=/etc/sudoers",
    r"lineinfile .*(?:PermitRootLogin|PermitEmptyPasswords) yes",
    r"user (?=.*\bgroups=)(?:.*\b)?groups=\S*\b(?:sudo|wheel|docker|root|adm|shadow)\b",
)
"""Rights for everybody, for root, or for ever."""
