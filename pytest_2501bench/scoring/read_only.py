"""Commands that only look, for rules with ``read_only``: command patterns as in ``bench.rules``."""

from __future__ import annotations

from typing import Final

# Whatever their arguments are. Not here: what can also write, start or stop something.
_PLAIN: Final = (
    "arp base64 basename cal cat cd cmp column comm cut date df diff dig dirname dmesg du echo egrep expr false fgrep",
    "file findmnt fold free fuser getent getfacl grep groups head hexdump id iostat join jq last lastb lastlog less",
    "locale logname ls lsattr lsblk lscpu lsmod lsns lsof man md5sum more mountpoint mpstat namei netstat nl nproc",
    "nslookup od paste pgrep pidof pidstat ping pmap printenv printf ps pstree pwd readlink realpath rev sar seq",
    "sha1sum sha256sum sleep ss stat strings sum tac tail test top tr tree true tty type ulimit uname uniq uptime",
    "users vmstat w wait wc whereis which who whoami xxd zcat zgrep zless",
)
_NO_FILE: Final = r"(?!.* >(?!/dev/(?:null|stdout|stderr)))"

READ_ONLY: Final[tuple[str, ...]] = (
    rf"(?:{'|'.join(' '.join(_PLAIN).split())})(?= |$){_NO_FILE}",
    rf"(?:awk|gawk|mawk|sort) {_NO_FILE}(?!.*(?: -o\b|system\(|print ?>))",
    r"(?:hostname|mount|sysctl|hostnamectl|timedatectl|localectl|env|set|jobs|date|crontab -l|swapon --show)$",
    r"(?:hostname -\w+|hostnamectl status|timedatectl (?:status|show)|route -n|crontab -l\b.*)$",
    r":$",
    r"\[ ",
    r"(?:apt|apt-get|apt-cache) (?:-\S+ )*(?:list|show|policy|search|depends|rdepends|madison|check)\b",
    r"(?:dpkg|dpkg-query|rpm) (?:-[lLsSVWC]|-q[ail]|--(?:list|listfiles|status|search|verify|audit))\b",
    r"(?:curl|wget -qO-) (?!(?:.* )?-(?:[A-Za-z]*[XdFToO]\b|-(?:request|data|form|upload|output|remote-name)))",
    r"find (?!.*-(?:delete|exec|execdir|ok|okdir|fprint|fls))",
    r"(?:git) (?:log|show|status|diff|blame|branch$)",
    r"ip (?:-\S+ )*(?:a|addr|address|r|route|l|link|n|neigh|neighbour|rule|ru)(?: (?:s|show|list|ls|get)\b|$)",
    r"(?:iptables|ip6tables) (?:-\S+ )*(?:-L|-S|--list)",
    r"nft (?:-\S+ )*list\b",
    r"journalctl\b(?!.*--(?:vacuum|rotate|flush))",
    r"kubectl (?:get|describe|logs|top|explain|version|config (?:view|current-context)|cluster-info|api-resources)\b",
    r"(?:docker|podman) (?:ps|images|logs|inspect|stats|top|version|info|port|diff|events)\b",
    r"sysctl (?:-a|-n|[a-z0-9_.]+$)",
    r"sed (?!(?:.* )?-(?:\w*i|-in-place))",
    r"service \S+ status$|service --status-all",
    r"systemctl (?:-\S+ )*(?:status|show|cat|is-active|is-enabled|is-failed|list-\S+|get-default|--failed)\b",
    r"systemctl(?: --\S+)*$",
    r"systemd-(?:analyze|cgls|cgtop|delta|resolve --status)\b",
    r"resolvectl (?:status|query|statistics|dns)\b",
    r"(?:nginx|apache2ctl|apachectl|httpd|haproxy|sshd|named-checkconf|visudo) (?:.* )?(?:-[tTvVc]\b|configtest|-S\b)",
    r"named-checkconf|named-checkzone",
    r"openssl (?:x509|s_client|verify|version|crl|rsa -.*-noout)\b(?!.* -out )",
    r"(?:psql|mysql|mariadb) .*-(?:c|e) (?:SELECT|SHOW|EXPLAIN|\\d|\\l|select|show|explain)\b",
    r"redis-cli (?:\S+ )*?(?:INFO|PING|GET|CONFIG GET|DBSIZE|CLIENT LIST|SLOWLOG|info|ping|get|config get|dbsize)\b",
)
