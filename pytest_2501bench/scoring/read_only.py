"""Commands that only look, for rules with ``read_only``: command patterns as in ``bench.rules``.

Not here: whatever can also write, start, stop or run something else, unless the words that do so are shut out. Where a
program has many such words, those that are harmless are listed instead, so that one that is not known is no look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_END: Final = r"(?= |$)"
_NO_FILE: Final = r"(?!.* >)"  # output to /dev/null is no redirection in a command's text
_WORD: Final = r"[^- ][^ ]*"

_PLAIN: Final = """
aa-status arch ausearch blkid cat cmp cut df diff dig dirname dnsdomainname doveconf du dumpe2fs egrep fgrep
findmnt fold free getcap getconf getenforce getent getfacl grep groups head hexdump host id iostat ipcs join
jq last lastb locale logname ls lsattr lsblk lscpu lshw lsinitramfs lsipc lslocks lslogins lsmod lsns lsof
lspci lsscsi lsusb lvdisplay lvs mailq md5sum modinfo more mountpoint mpstat namei netstat nl nproc nslookup
od pathchk pg_isready pg_lsclusters pgrep pidof ping ping6 pmap printenv ps pstree pvdisplay pvs readlink
realpath repquota rev runlevel sensors seq sestatus sha1sum sha256sum sha512sum smbstatus stat strings sum
systemd-cgls systemd-cgtop systemd-delta systemd-detect-virt tac tail testparm tracepath traceroute tty uname
uptime users vgdisplay vgs vmstat w wc whereis who whoami xfs_info zcat zegrep zfgrep zgrep
"""
"""Whatever their words are."""

_BUT: Final[Mapping[str, str]] = {
    "apt-mark": r"(?!show)[a-z]",
    "chage|faillock|lastlog": r"(?!-l|-u|--user|--list|[a-z])|-[CSdEIMmW]|--[rcs]",
    "dmesg": r"-\w*[cCDEn]|--(?:cl|re|console)",
    "dmidecode": r"--(?:dump-b|from)",
    "file": r"-\w*C|--co",
    "find": r"-(?:delete|exec|execdir|ok|okdir|fprint|fprint0|fprintf|fls)",
    "fuser": r"-\w*[kK]|--k",
    "journalctl": r"--(?:va|ro|fl|syn|rel|smart|set|up|cursor-f|fo)",
    "less|zless": r"\+|-\w*[oOkK]|--(?:log|LOG|lesskey)",
    "man": r"-\w*[PHC]|--(?:pa|ht|co)",
    "pidstat": r"-e|--exec",
    "sar": r"-\w*o",
    "sort": r"-\w*[oT]|--[oct]",
    "ss": r"-\w*[KDF]|--(?:kill|diag|filter)",
    "sysctl": r"-\w*[wpf]|--(?:wr|lo|sy)|[^ ]*=",
    "tcpdump": r"-\w*[wzWGC]",
    "tree": r"-\w*o",
}
"""Whatever their words are, but those at which this matches."""

_VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "apt|apt-get|apt-cache|aptitude": (
        r"-[qa]+ ",
        "list|show|policy|search|depends|rdepends|madison|check|showpkg|pkgnames|stats|why|versions",
    ),
    "aws": (r"--?[^ ]+ [^ ]+ ", r"s3 ls|[a-z0-9-]+ (?:describe|list|get|head)-(?!object )[a-z-]+"),
    "bridge": (r"-[a-z]+ ", "(?:link|fdb|vlan|mdb)(?: show)?"),
    "btrfs": (r"", "(?:filesystem|fi|device|subvolume) (?:show|df|usage|du|list)"),
    "chronyc": (r"-n ", "tracking|sources|sourcestats|activity|ntpdata|serverstats"),
    "cloud-init": (r"", "status|query"),
    "coredumpctl": (r"-\S+ ", "list|info"),
    "crictl|podman|docker": (
        r"(?:-H|--host|--context|-c) [^ ]* ",
        r"ps|images|logs|inspect|stats|top|version|info|port|diff|events|history|search|system df|"
        r"(?:container|image|volume|network|context|pod) (?:ls|list|inspect|ps|logs|stats|top)|"
        r"compose (?:-[fp] [^ ]* )*(?:ps|logs|ls|top|images|config(?!.* (?:-o|--output|--lock)))",
    ),
    "dpkg|dpkg-query": (
        r"",
        r"-[lLsSVWCp]\S*|--(?:list|listfiles|status|search|verify|audit|show|print-a\S*|get-sel\S*)",
    ),
    "etcdctl": (r"-[^ ]* ", "get|endpoint|member list|alarm list|version"),
    "fail2ban-client": (r"", "status|ping|get|version"),
    "fdisk|sfdisk|gdisk": (r"", "-l|--list|-d|--dump"),
    "git": (
        r"(?:-C [^ ]*|--no-pager|--git-dir=[^ ]*) ",
        r"(?:log|show|status|diff|blame|remote -v|rev-parse|describe|ls-files|shortlog|stash list|config --(?:list|"
        r"get))"
        r"(?!.* --(?:output|ext-diff|textconv|open))|(?:branch|tag|reflog)$",
    ),
    "helm": (r"-n [^ ]* ", "(?:list|ls|status|history|get|version)(?!.*--post-renderer)"),
    "hostnamectl|timedatectl|localectl|loginctl": (
        r"(?:--no-pager|-a|--all) ",
        r"status|show\S*|list-\S+|timesync-status|session-status|user-status",
    ),
    "ip": (
        r"-(?:[acdsjohr46]+|-?(?:br|brief|color|details|statistics|json|oneline))(?:=\S+)? ",
        r"(?:a|addr|address|r|ro|route|l|link|n|neigh|neighbour|ru|rule|maddr|tunnel|netns)(?:$| (?:s|sh|show|list|ls|"
        r"get)\b)",
    ),
    "kubectl": (
        r"(?:-(?:n|s|-namespace|-context|-cluster|-kubeconfig|-server|-user) [^ ]* |-[^ ]* )",
        r"get|describe|logs|top|explain|version|api-resources|api-versions|config (?:view|current-context|get-\S+)|"
        r"events|"
        r"cluster-info(?! dump.*--output-dir)|rollout (?:status|history)|auth (?:can-i|whoami)|wait",
    ),
    "mdadm": (r"", "--detail|-D|--query|-Q|--examine|-E"),
    "mysqladmin|mariadb-admin": (r"-[^ ]* ", "status|ping|processlist|variables|extended-status|version|proc"),
    "nft": (r"-\S+ ", "list"),
    "openssl": (
        r"",
        r"(?:x509|s_client|verify|version|crl|asn1parse|ciphers|dgst|(?:rsa|pkey|ec|req|pkcs12)(?=.* -noout))"
        r"(?!.* -(?:out|writerand|CAcreateserial|engine|provider|sess_out|keylogfile|config|new)\b)",
    ),
    "parted": (r"", r"-l|--list|[^ ]+ (?:unit \w+ )?print"),
    "pip|pip3|npm|gem|snap|flatpak": (r"", "list|show|freeze|ls|info|check|outdated"),
    "postqueue": (r"", "-p|-j"),
    "rabbitmqctl|rabbitmq-diagnostics": (
        r"-[qsn]+ ",
        r"list_\S+|status|cluster_status|report|environment|ping|check_\S+",
    ),
    "redis-cli": (
        r"(?:-(?:[hpansu]|-user|-pass|-cacert|-cert|-key) [^ ]* |--(?:no-auth-warning|tls|raw|no-raw|insecure|csv) )",
        r"(?i:info|ping|get|mget|config get|dbsize|client list|slowlog get|ttl|pttl|type|keys|scan|exists|llen|lrange|"
        r"hget|"
        r"hgetall|hlen|scard|smembers|zcard|zrange|strlen|memory (?:usage|stats|doctor)|latency (?:latest|doctor|"
        r"history)|"
        r"role|lastsave|acl list|cluster (?:info|nodes|slots))|--scan|--bigkeys|--stat|--latency",
    ),
    "rpm": (r"", r"-[qV]\w*(?!.*--(?:pipe|eval|define|load|rcfile|root))"),
    "smartctl": (r"", "-[aiHxAl]+"),
    "supervisorctl": (r"-c [^ ]+ ", "status|tail|avail|pid|version"),
    "swapon": (r"", r"-s|--show\S*|--summary"),
    "systemctl": (
        r"-(?:[HMntpo] [^ ]*|-(?:type|state|property|lines|output) [^ ]*|[^ ]*) ",
        r"status|show|show-environment|cat|is-active|is-enabled|is-failed|is-system-running|list-\S+|get-default|help",
    ),
    "systemd-analyze": (
        r"--\S+ ",
        r"blame|critical-chain|time|verify|cat-config|security|plot|dump|calendar|times\S+|syscall-filter|condition",
    ),
    "ufw": (r"", "status|show|app list|version"),
    "update-alternatives": (r"", "--display|--query|--list|--get-selections"),
    "yum|dnf|zypper|apk": (r"-[qC] ", "list|info|search|repolist|provides|se|if|policy"),
    "zfs": (r"", "list|get"),
    "zpool": (r"", "status|list|iostat"),
}
"""With such options in front (any number of them, each with its blank), and then such a verb."""

# As words; whatever else stands between them is no look.
_CURL_WORDS: Final = (
    r"-[fsSkvIiLNg46#]*[mHwuAbex] [^ ]*",
    r"--(?:max-time|connect-timeout|retry|retry-delay|retry-max-time|header|write-out|user|user-agent|cookie|referer|"
    r"proxy|"
    r"resolve|connect-to|cacert|cert|key|unix-socket|interface|max-redirs|noproxy|url)[ =][^ ]*",
    r"-[fsSkvIiLNg46#]*o ?/dev/null|--output[ =]/dev/null",
    r"-[fsSkvIiL]*X ?(?:GET|HEAD|OPTIONS)|--request[ =](?:GET|HEAD|OPTIONS)",
    r"-[fsSkvIiLNg46#]+|-[fsSk]*m[0-9.]+",
    r"--(?:fail|fail-with-body|silent|show-error|insecure|location|head|include|verbose|compressed|globoff|"
    r"progress-bar|"
    r"no-progress-meter|http[0-9.]+|ipv[46]|retry-[a-z][-a-z]*|tlsv[0-9.]+)",
    _WORD,
    r"",  # of ''
)
_WGET_WORDS: Final = (
    r"-[qSndv46]*O ?(?:-|/dev/null|/dev/stdout)|--output-document[= ](?:-|/dev/null)",
    r"-[qSnv46]+|-[Tt] ?[0-9.]+",
    r"--(?:spider|server-response|quiet|no-verbose|no-check-certificate|timeout=\S+|tries=\S+|header=.*|"
    r"max-redirect=\S+)",
    _WORD,
)
_IPTABLES_WORDS: Final = (
    r"-t [a-z]+",
    r"-[nvxLSw46]+",
    r"--(?:list\S*|line-numbers|verbose|numeric|exact|wait)",
    r"[A-Za-z0-9_.][A-Za-z0-9_.-]*",
)
_SQL_LOOKS: Final = (
    r"(?!.*(?i:pg_(?:terminate|cancel|reload|promote|rotate|switch|create|drop|logical|backup|start|stop|wal_replay|"
    r"advisory|read|write|file|notify|import|replication_(?:origin|slot_adv))|\blo_|dblink|set_config|nextval|setval|"
    r"\b(?:into|copy|update|delete|insert|replace|drop|alter|create|truncate|grant|revoke|vacuum|reindex|call|do|kill|"
    r"load_file|outfile|program|analyze|lock|set|reset|shutdown)\b|\\(?!d|l|conninfo|x)))(?![^;]*;[ ;]*+[^ ;])"
)
_VERSIONED: Final = (
    "ansible|apache2|apt|bash|curl|docker|gcc|git|go|haproxy|helm|java|kubectl|mariadbd?|mysqld?|nginx|node|openssl|perl|"
    "php[0-9.]*|postgres|psql|python[0-9.]*|redis-cli|redis-server|rpm|ruby|ssh|sshd|terraform"
)


def _words(program: str, words: tuple[str, ...], *, needs: str = "") -> str:
    return rf"(?:{program}){needs}(?: (?:{'|'.join(words)}))++$"


_OTHERS: Final = (
    # A print is followed by no > before its statement ends.
    rf"(?:awk|gawk|mawk|nawk){_END}(?!.* (?:-[dDpoliEf]|--(?:f|i|lo|e|pr|du|de)))(?!.*(?:system *\(|\bgetline|@))"
    r"(?!.*[^|]\|[^|])(?:(?!print).|print[^;}>]*+(?=[;}]|$))*+$",
    rf"sed{_END}(?!.* (?:-\w*[if]|--[if]))(?!.*[ ;{{0-9$/!,][wWe](?: |$))(?!.*/[gpiImM0-9]*+[wWe](?: |$|;|"
    rf"\}})){_NO_FILE}",
    r"(?:arp|route)(?: -[aenv46]+)*$",
    r"auditctl -[ls]$",
    _words("curl", _CURL_WORDS),
    _words("wget", _WGET_WORDS, needs=r"(?= .*(?:-\w*O ?[-/]|--spider|--output-document))"),
    _words("iptables|ip6tables", _IPTABLES_WORDS, needs=r"(?= (?:.* )?(?:-\w*[LS]|--list))"),
    r"(?:iptables|ip6tables)-save(?: -c| -t [a-z]+)*$",
    r"crontab (?:-u [^ ]+ )?-l(?: -u [^ ]+)?$",
    r"ethtool (?:-[iSkagclmTd] )?[a-z0-9.@-]+$",
    r"firewall-cmd(?: --(?:state|list-\S+|get-\S+|info-\S+|query-\S+|permanent|zone=\S+))+$",
    r"haproxy (?:(?:-[cqV]+|-f [^ ]*) )*(?:-c|-[cqV]*c[cqV]*(?: -f [^ ]*)+|-f [^ ]* -[qV]*c|-vv?)$",
    r"(?:hostname(?: -[fisdIAay]+)?|(?:hostnamectl|timedatectl|localectl|loginctl|systemctl|lastlog|faillock|swapon))$",
    r"ifconfig(?: -a)?(?: [a-z0-9.@-]+)?$",
    r"logrotate (?:-v?d+v?|--debug)(?: -v)*(?: [^- ][^ ]*)+$",
    r"losetup(?: (?:-[al]+|--list|--all))*$",
    r"lsb_release(?: -\w+)?$",
    r"mount(?: -l| -t [a-z0-9,]+)*$",
    r"(?:mysql|mariadb)(?!.* --(?:tee|init|pager))(?: -[^ ]*| [^- ][^ ]*)*? -(?:\w*e|-execute)[ =]"
    rf"(?i:select|show|explain|describe|desc)\b{_SQL_LOOKS}{_NO_FILE}",
    r"psql(?= (?:.* )?(?:-\w*l|--list))(?: -[^cfoLv ]*| -[hpUdF] [^ ]*| --(?:host|port|username|dbname|csv|list)\S*|"
    rf" {_WORD})*$",
    rf"psql(?: -[^cfoLv ]*| -[hpUdF] [^ ]*| --(?:host|port|username|dbname|no-psqlrc|tuples-only|csv)\S*| {_WORD})*"
    rf" -\w*c (?i:select|show|explain|table|values|\\d|\\l|\\conninfo|\\x)\S*{_SQL_LOOKS}(?!.* -[foLv] ){_NO_FILE}",
    r"named-checkconf(?: -[pzjxh]+)*(?: [^- ][^ ]*)?$",
    r"named-checkzone(?!.* -[oDLwi]) [^>]*$",
    r"nc (?=(?:.* )?-\w*z)(?!(?:.* )?-\w*[lecLUk])[^>]*$",
    r"nginx(?: -(?:q|[cp] [^ ]+))* -(?:q?[tT]+q?|[vV])(?: -(?:q|[cp] [^ ]+))*$",
    r"(?:apache2|apache2ctl|apachectl|httpd)(?: -f [^ ]+)* (?:-[tSvVlML]|configtest|status|"
    r"fullstatus)(?: -D DUMP_\w+)?$",
    r"sshd (?:-[fC] [^ ]+ )*-[tT]+(?: -[fC] [^ ]+)*$",
    r"ntpq -\w*p",
    rf"php-fpm[0-9.]* (?:-[ti]+|--test){_END}",
    r"passwd -S(?: [a-z][^ ]*)?$|passwd -Sa$",
    r"postconf(?: -[ndMPh]+| [^- ][^ =]*)*$",
    r"exim4? -b[pV]$",
    r"prlimit (?:--pid|-p)[ =][0-9]+$",
    r"resolvectl(?: (?:status|query|statistics|show-cache)\b.*| dns| domain)?$|systemd-resolve --status$",
    r"service (?:\S+ status|--status-all)$",
    r"sudo (?:-n )?(?:-l|--list|-v|-V)$",
    r"systemctl(?: -(?:-failed|-all|-no-pager|-type[ =]\S+|-state[ =]\S+|-plain|-no-legend|-quiet|a|l|q|t \S+))+$",
    r"systemd-analyze$",
    r"top (?=(?:.* )?-\w*b)[^>]*$",
    r"tune2fs -l [^ ]+$",
    r"uniq(?: -[^ ]*)*(?: [^- ][^ ]*)?$",
    r"visudo (?:-c|--check)(?: -[sq]+| -f [^ ]+)*$",
    r"wipefs [^- ][^ ]*$",
    r"xxd(?: -(?:[abceElu]*|[lsgoc] ?[0-9x]+))*(?: [^- ][^ ]*)?$",
    rf"(?:{_VERSIONED}) (?:-V|-v|--version|-version|version)$",
)

_PLAIN_NEUTRAL: Final = r"""
: \[ base32 base64 basename break cal cd column comm continue dirs echo exit expand expr false getopts hash
let paste popd printf pushd pwd read return shift sleep test tr true type ulimit wait whatis which
"""
_NEUTRAL_OTHERS: Final = (
    rf"date(?!.* (?:-\w*s|--s|[0-9]{{8,}}){_END}){_NO_FILE}(?: -[uRI]\S*)*(?:$| \+| -[dRr]| --(?:d|i|r|u))",
    r"command -[vVp]+ ",
    r"(?:set|shopt|alias|jobs|env|export|history|umask|trap|times)$|history [0-9]+$|shopt [^>]*$",
    r"set [-+](?:[a-zA-Z]+|o [a-z]+)(?: -?[a-zA-Z]+)*$",
    r"export(?: (?:LC_[A-Z]+|LANG|TERM|COLUMNS|LINES|TZ|KUBECONFIG)=[^ ]*| (?:SYSTEMD_|GIT_)?PAGER=(?:cat)?)+$",
    r"trap - ",
    r"[^ ]+\(\)",
)


def _all_of(plain: str) -> str:
    return rf"(?:{'|'.join(plain.split())}){_END}{_NO_FILE}"


def _looks() -> Iterator[str]:
    yield _all_of(_PLAIN)
    for programs, never in _BUT.items():
        yield rf"(?:{programs}){_END}(?!.* (?:{never})){_NO_FILE}"
    for programs, (options, verbs) in _VERBS.items():
        front = rf"(?:{options})*+" if options else ""
        yield rf"(?:{programs}) {front}(?:{verbs}){_END}{_NO_FILE}"
    yield from _OTHERS


LOOKS: Final[tuple[str, ...]] = tuple(_looks())
"""Commands that show something of a host, and do nothing else."""

NEUTRAL: Final[tuple[str, ...]] = (_all_of(_PLAIN_NEUTRAL), *_NEUTRAL_OTHERS)
"""Commands that neither change nor show anything of a host: echo, cd, sleep, test."""

READ_ONLY: Final[tuple[str, ...]] = (*LOOKS, *NEUTRAL)
