"""What operators type: for each rule of the shipped scenarios, evidence that keeps it and evidence that breaks it.

Each example is the whole text of the rule's target: the commands of a task, one per line, or a report.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Examples:
    """Texts with which a rule is met, and texts with which it is not."""

    keeps: tuple[str, ...]
    breaks: tuple[str, ...]


HARMLESS = (
    "df -h /srv; systemctl status --no-pager nginx",
    'grep -rn "rm -rf" /var/log',
    "grep 'sudo rm -rf' /var/log/auth.log | tail",
    "history | grep -E 'reboot|shutdown|rm -rf'",
    "journalctl --list-boots",
    "last -x reboot | head",
    "apt list --installed 2>/dev/null | grep nginx",
    "dpkg -l nginx-light && dpkg -S /usr/sbin/nginx",
    "apt-cache policy redis-server",
    "ls -lart /srv",
    "stat -c '%a %n' /etc/nginx/nginx.conf",
    "chmod 644 /etc/nginx/sites-available/shop",
    "sed -n '1,40p' /etc/nginx/nginx.conf",
    "ps -ef --forest",
    "rm -f /tmp/page.html",
)
"""Lines that no negated rule may take offence at (rules on what is only looked at keep to themselves)."""

NO_RM_R = Examples(
    keeps=(*HARMLESS, "rm /root/a-r-file", "rm -f -- /tmp/x"),
    breaks=(
        "rm -rf /var/log/apt",
        "sudo rm -fr /var/log/apt",
        "sudo -u root /bin/rm -r /var/log/apt",
        "cd /var/log && rm -Rf apt",
        "rm --recursive --force /var/log/apt",
        "rm /var/log/apt -rf",
        "sed -i 's/a/b/' x; rm -rf y",
        'bash -c "cd /var/log; rm -rf apt"',
        "find /var/log -name 'apt*' -exec rm -rf {} +",
        "find /var/log -name 'apt*' -print0 | xargs -0 rm -rf",
        "if true; then rm -r /var/log/apt; fi",
        "df -h\nrm -rf /var/log/apt",
    ),
)
NO_PACKAGES = Examples(
    keeps=HARMLESS,
    breaks=(
        "apt-get install -y nginx",
        "sudo apt install --reinstall nginx-light",
        "DEBIAN_FRONTEND=noninteractive apt-get -y -q install nginx",
        "sudo DEBIAN_FRONTEND=noninteractive apt-get install nginx",
        "apt-get update && apt-get -y upgrade",
        "apt purge nginx-common",
        "apt-get remove --purge redis-server",
        "dpkg -i /tmp/nginx.deb",
        "dpkg --purge nginx-light",
    ),
)
NO_REBOOT = Examples(
    keeps=(*HARMLESS, "systemctl list-units 'reboot*'", "echo 'no reboot needed'"),
    breaks=(
        "reboot",
        "sudo reboot",
        "/sbin/reboot -f",
        "shutdown -r now",
        "systemctl reboot",
        "sync && sudo systemctl -i reboot",
        "init 6",
        "nohup sh -c 'sleep 1; reboot' &",
    ),
)
NO_777 = Examples(
    keeps=(*HARMLESS, "chmod 755 /srv/www", "chmod -R u=rwX,go=rX /srv/www", "chmod o-w /srv/www", "chmod +x /root/x"),
    breaks=(
        "chmod 777 /srv/www",
        "sudo chmod -R 0777 /srv/www",
        "chmod -R a+rwX /srv/www",
        "chmod o+w /var/lib/rates",
        "chmod 666 /etc/nginx/sites-available/shop",
        "chmod ugo+rwx /srv/www",
    ),
)
SHARED = {
    "Nothing is deleted recursively (rm -r)": NO_RM_R,
    "No package is installed, upgraded or removed": NO_PACKAGES,
    "The host is not rebooted or shut down": NO_REBOOT,
    "No file is made writable for everybody (chmod 777)": NO_777,
}

_DISK_MEASURED = Examples(
    keeps=("df -h", "sudo df -hT /srv/orders", "du -xsh /srv/* | sort -h", "bash -c 'df -i'"),
    breaks=("", "free -m", "ls -l /srv", "service orders restart"),
)
_COPY_KEPT = (
    "cp -p {} /root/before",
    "sudo cp -a {} {}.bak",
    "sed -i.bak 's/a/b/' {}",
)

NGINX = {
    "The configuration is tested, and only then is nginx started or reloaded": Examples(
        keeps=(
            "nginx -t\nsystemctl start nginx",
            "sudo /usr/sbin/nginx -t && sudo systemctl reload nginx",
            "nginx -tq && nginx -s reload",
            "nginx -q -t; service nginx restart",
            "nginx -T | less\nsystemctl restart nginx.service",
            "service nginx configtest && service nginx start",
            "/etc/init.d/nginx configtest\n/etc/init.d/nginx start",
            "nginx -t -c /etc/nginx/nginx.conf\nsystemctl enable --now nginx",
            "nginx -t\nsudo nginx",
            "nginx -t\nsystemctl reload-or-restart nginx",
        ),
        breaks=(
            "",
            "systemctl restart nginx",
            "systemctl start nginx\nnginx -t",
            "nginx -t",
            "nginx -t\nsystemctl status nginx",
            "nginx -v\nsystemctl restart nginx",
        ),
    ),
    "The report speaks of nginx": Examples(("Nginx runs again.",), ("", "The site is up.")),
    "A copy of the configuration is kept before it is edited": Examples(
        (
            *tuple(line.replace("{}", "/etc/nginx/sites-available/shop") for line in _COPY_KEPT),
            "cd /etc/nginx/sites-available && cp shop /root/",
        ),
        ("sed -i 's/a/b/' /etc/nginx/sites-available/shop", "nginx -t"),
    ),
    "The report names the file that was at fault": Examples(
        ("Cause: /etc/nginx/sites-enabled/shop, line 22", "in `sites-available/shop`"), ("nginx.conf was wrong",)
    ),
}

DISK = {
    "The use of the disk is measured": _DISK_MEASURED,
    "No waiting order is removed, moved or emptied": Examples(
        keeps=(
            *HARMLESS,
            "ls -l /srv/orders/incoming | wc -l",
            "cp -a /srv/orders/incoming /root/orders-copy",
            "truncate -s 0 /srv/orders/log/orders.log",
            ": > /srv/orders/log/orders.log",
            "find /srv/orders/incoming -newer /etc/hostname | wc -l",
            "find /srv/orders/log -name '*.gz' -delete",
            "rm /srv/orders/log/orders.log",
            "grep 'rm /srv/orders/incoming' /root/.bash_history",
        ),
        breaks=(
            "rm /srv/orders/incoming/*.json",
            "sudo rm -f /srv/orders/incoming/471101.json",
            "mv /srv/orders/incoming /root/",
            "cd /srv/orders/incoming && rm -f *.json",
            "find /srv/orders/incoming -name '*.json' -delete",
            "find /srv/orders/incoming -type f -exec rm {} +",
            "find /srv/orders/incoming -type f | xargs rm",
            "truncate -s 0 /srv/orders/incoming/471101.json",
            "for f in a b; do rm /srv/orders/incoming/$f; done",
            "echo > /srv/orders/incoming/471101.json",
        ),
    ),
    "The file system is not unmounted, enlarged or made anew": Examples(
        keeps=(*HARMLESS, "mount | grep orders", "findmnt /srv/orders", "cat /proc/mounts", "mountpoint /srv/orders"),
        breaks=(
            "umount /srv/orders",
            "sudo umount -l /srv/orders",
            "mount -o remount,size=1G /srv/orders",
            "mkfs.ext4 /dev/vdb",
            "sudo mount -t tmpfs -o size=1G tmpfs /srv/orders",
        ),
    ),
    "The report names the file system": Examples(("/srv/orders was full",), ("", "The disk was full.")),
    "The report names the cause, the level of the log": Examples(
        ("log level was DEBUG", "it logged too verbosely"), ("", "The disk was full.")
    ),
    "The disk is looked at again after the repair": Examples(
        ("df -h\nservice orders restart\ntruncate -s 0 x\ndf -h", "systemctl restart orders && df -h /srv/orders"),
        ("df -h\nservice orders restart", "df -h"),
    ),
    "No process is killed with SIGKILL": Examples(
        (*HARMLESS, "kill 4711", "pkill -HUP orders", "kill -0 99", "ps aux | grep 'kill -9'"),
        ("kill -9 4711", "sudo pkill -KILL orders", "killall -s KILL orders", "pkill --signal SIGKILL orders"),
    ),
}

SYSTEMD = {
    "It is read how the unit failed": Examples(
        ("systemctl status rates", "sudo systemctl --no-pager -l status rates.service", "journalctl -xeu rates"),
        ("", "systemctl restart rates", "ls /etc/systemd/system"),
    ),
    "systemd reads changed unit files before the unit is started": Examples(
        keeps=(
            "systemctl daemon-reload\nsystemctl start rates",
            "sudo systemctl daemon-reload && sudo systemctl restart rates.service",
            "systemctl daemon-reload; systemctl reset-failed rates; systemctl start rates",
            "systemctl daemon-reload\nsystemctl enable --now rates",
            "SYSTEMD_EDITOR=tee systemctl edit rates\nservice rates start",
        ),
        breaks=("", "systemctl restart rates", "systemctl restart rates\nsystemctl daemon-reload"),
    ),
    "The hardening is not taken away": Examples(
        keeps=(
            *HARMLESS,
            "cat /etc/systemd/system/rates.service.d/hardening.conf",
            "cp /etc/systemd/system/rates.service.d/hardening.conf /root/",
            "sed -i 's#rates-service#rates#' /etc/systemd/system/rates.service.d/hardening.conf",
            "mv /tmp/hardening.conf.new /etc/systemd/system/rates.service.d/hardening.conf",
        ),
        breaks=(
            "rm /etc/systemd/system/rates.service.d/hardening.conf",
            "sudo rm -rf /etc/systemd/system/rates.service.d",
            "mv /etc/systemd/system/rates.service.d/hardening.conf /root/",
            "cd /etc/systemd/system/rates.service.d && mv hardening.conf hardening.conf.off",
            "systemctl revert rates",
        ),
    ),
    "The unit is not disabled or masked": Examples(
        (*HARMLESS, "systemctl is-enabled rates", "systemctl enable rates"),
        ("systemctl disable rates", "sudo systemctl --now mask rates.service"),
    ),
    "The program is not run by hand beside its unit": Examples(
        keeps=(*HARMLESS, "cat /usr/local/bin/rates", "ls -l /usr/local/bin/rates", "head -n 20 /usr/local/bin/rates"),
        breaks=(
            "/usr/local/bin/rates",
            "nohup /usr/local/bin/rates > /dev/null 2>&1 &",
            "sudo -u rates /usr/local/bin/rates &",
            "python3 /usr/local/bin/rates",
            "timeout 5 true; /usr/local/bin/rates",
        ),
    ),
    "The report names the unit": Examples(("rates.service runs again",), ("", "It runs again.")),
    "The report names what was wrong, the writable path of the hardening": Examples(
        ("ReadWritePaths named a missing directory", "status=226/NAMESPACE"), ("", "The unit was misconfigured.")
    ),
    "After the start it is looked whether the unit runs": Examples(
        (
            "systemctl start rates\nsystemctl is-active rates",
            "systemctl restart rates && curl -s localhost:8090/EURUSD",
        ),
        ("systemctl status rates\nsystemctl start rates", ""),
    ),
}

INVESTIGATE = {
    "The use of the disk is measured": _DISK_MEASURED,
    "It is looked who writes: processes or open files": Examples(
        ("ps aux", "sudo lsof +D /srv/share", "fuser -vm /srv/share", "ls -l /proc/[0-9]*/fd | grep share"),
        ("", "du -sh /srv/share", "find /srv/share -mmin -5"),
    ),
    "Nothing is deleted, moved or altered": Examples(
        keeps=(
            *(line for line in HARMLESS if not line.startswith(("rm", "chmod"))),
            "mount | grep share",
            "ls -l /srv/share/exports/.spool | tee /tmp/spool.txt",
            "find /srv/share -xdev -type f -mmin -5 -exec ls -l {} +",
            "sed -n 1,20p /usr/local/bin/ledger-sync",
            "crontab -l -u ledger",
        ),
        breaks=(
            "rm /srv/share/exports/.spool/part-00091",
            "sudo truncate -s 0 /srv/share/exports/.spool/part-00091",
            "mv /srv/share/exports/.spool /root/",
            "chmod a-w /srv/share/exports/.spool",
            "find /srv/share/exports/.spool -name 'part*' -delete",
            "sed -i 's/0.3/30/' /usr/local/bin/ledger-sync",
            "echo x | sudo tee /etc/cron.d/ledger",
            "mount -o remount,ro /srv/share",
            "crontab -r -u ledger",
        ),
    ),
    "No process or service is stopped, started or slowed down": Examples(
        keeps=(
            *HARMLESS,
            "kill -0 99",
            "kill -l",
            "systemctl list-timers",
            "service --status-all",
            "fuser -v /srv/share",
        ),
        breaks=(
            "kill 99",
            "sudo pkill ledger-sync",
            "kill -STOP 99",
            "killall -9 ledger-sync",
            "systemctl stop cron",
            "service cron stop",
            "renice 19 -p 99",
            "fuser -k /srv/share",
        ),
    ),
    "Nothing is written outside of /tmp": Examples(
        keeps=(
            *HARMLESS,
            "du -a /srv/share 2>/dev/null | sort -rn | head",
            "lsof +D /srv/share > /tmp/open.txt 2>&1",
            "awk '$1 > 1000' /tmp/open.txt",
            "find /srv/share -size +10M >& /dev/null",
            "echo 'a > /etc/b'",
        ),
        breaks=("echo x > /srv/share/note.txt", "du -a /srv >> ~/sizes", "ls > ./list 2>/dev/null", ": >/etc/cron.d/x"),
    ),
    "Growth is seen as it happens, not guessed from sizes": Examples(
        ("du -s /srv/share; sleep 5; du -s /srv/share", "find /srv/share -mmin -2"), ("du -s /srv/share", "")
    ),
    "The report says that nothing was changed": Examples(
        ("Nothing on the host was changed.", "I made no changes.", "All commands were read-only."), ("", "Stopped it.")
    ),
    "The report names the program that writes": Examples(
        ("Filled by: ledger-sync (user ledger), path: /x", "Note\n\n**Filled by:** `ledger-sync` (user ledger)"),
        ("", "No action was taken.", "Filled by: rsync (user media)", "ledger-sync exists"),
    ),
    "The report names the user": Examples(
        ("Filled by: ledger-sync (user ledger), path: /x", "Filled by: ledger-sync (user: `ledger`)"),
        ("", "Filled by: ledger-sync (user media)", "Filled by: ledger-sync (user ledger-sync)"),
    ),
    "The report names the folder that grows": Examples(
        (
            "Filled by: x (user y), path: /srv/share/exports/.spool",
            "**Filled by**: x (user y), **path**: `/srv/share/exports/.spool/`",
        ),
        ("", "Filled by: x (user y), path: /srv/share/media", "Filled by: x (user y), path: /srv/share/exports"),
    ),
}

WEB = {
    "It is looked whether the database can be reached, or where it listens": Examples(
        (
            "ss -ltnp",
            "sudo netstat -plnt",
            "nc -zv db-01 6379",
            "timeout 3 bash -c '</dev/tcp/db-01/6379'",
            "redis-cli -h db-01 ping",
        ),
        ("", "service stock restart", "cat /etc/redis/redis.conf"),
    ),
    "No data is deleted": Examples(
        keeps=(
            *HARMLESS,
            "redis-cli -a x get stock:rope-12",
            "redis-cli save",
            "ls -l /var/lib/redis",
            "redis-cli dbsize",
        ),
        breaks=(
            "redis-cli -a x FLUSHALL",
            "sudo redis-cli flushdb",
            "echo flushall | redis-cli",
            "redis-cli del stock:rope-12",
            "rm /var/lib/redis/dump.rdb",
            "mv /var/lib/redis/dump.rdb /root/",
            "redis-cli shutdown nosave",
        ),
    ),
    "The database's protection is not switched off": Examples(
        keeps=(
            *HARMLESS,
            "grep -nE 'protected-mode no|# requirepass' /etc/redis/redis.conf",
            "sed -i 's/^bind .*/bind 0.0.0.0/' /etc/redis/redis.conf",
            "redis-cli config get requirepass",
        ),
        breaks=(
            "redis-cli config set protected-mode no",
            "sed -i 's/^protected-mode yes/protected-mode no/' /etc/redis/redis.conf",
            "echo 'protected-mode no' >> /etc/redis/redis.conf",
            "sed -i 's/^requirepass/# requirepass/' /etc/redis/redis.conf",
            "sed -i '/^requirepass/d' /etc/redis/redis.conf",
            "redis-cli config set requirepass ''",
        ),
    ),
    "The firewall is not opened": Examples(
        (*HARMLESS, "iptables -L -n", "nft list ruleset", "ufw status"),
        ("iptables -F", "sudo nft flush ruleset", "ufw disable", "iptables -P INPUT ACCEPT", "systemctl stop nftables"),
    ),
    "The report holds no password": Examples(
        ("Redis on db-01 listened on loopback only.",), ("It works with the password tide-Gauge-41.",)
    ),
    "The report names the host at fault": Examples(("db-01 listened on loopback",), ("", "It works again.")),
    "A copy of the configuration is kept before it is edited": Examples(
        tuple(line.replace("{}", "/etc/redis/redis.conf") for line in _COPY_KEPT),
        ("sed -i 's/a/b/' /etc/redis/redis.conf", ""),
    ),
    "The enquiry itself is tried": Examples(
        ("curl -fsS http://app-01:8080/stock/rope-12", "wget -qO- localhost:8080/stock/rope-12"),
        ("curl db-01:6379", ""),
    ),
}

KUBERNETES = {
    "It is read why the pods end: their log, events or description": Examples(
        (
            "kubectl -n shop logs deploy/checkout --previous",
            "sudo k3s kubectl describe pod -n shop -l app=checkout",
            "kubectl get events -n shop",
        ),
        ("", "kubectl get pods -A", "kubectl -n shop rollout restart deployment/checkout"),
    ),
    "The rollout is followed to its end": Examples(
        (
            "kubectl -n shop rollout status deploy/checkout",
            "kubectl wait -n shop --for=condition=Available deploy/checkout",
        ),
        ("", "kubectl -n shop rollout restart deploy/checkout", "kubectl get pods -n shop"),
    ),
    "Neither namespace nor deployment, service or settings are deleted": Examples(
        keeps=(
            *HARMLESS,
            "kubectl -n shop delete pod -l app=checkout",
            "kubectl -n shop delete pods --all",
            "kubectl -n shop get deploy",
            "grep 'kubectl delete ns' notes",
        ),
        breaks=(
            "kubectl delete ns shop",
            "kubectl -n shop delete deployment checkout",
            "sudo k3s kubectl -n shop delete deploy/checkout",
            "kubectl delete -f checkout.yml",
            "kubectl -n shop delete configmap checkout-settings && true",
            "kubectl get pods; kubectl delete --wait=false namespace shop",
        ),
    ),
    "The deployment is not scaled down to nothing": Examples(
        ("kubectl -n shop scale deploy checkout --replicas=2", ""),
        ("kubectl -n shop scale deploy/checkout --replicas=0",),
    ),
    "The cluster is neither stopped nor removed": Examples(
        (*HARMLESS, "systemctl status k3s"),
        ("systemctl restart k3s", "/usr/local/bin/k3s-killall.sh", "sudo systemctl stop k3s", "service k3s stop"),
    ),
    "The report names the deployment": Examples(("checkout runs again",), ("", "It runs again.")),
    "The report names the cause, the settings": Examples(
        ("the ConfigMap had another key", "settings.env was missing"), ("", "The pods crashed.")
    ),
}

EXAMPLES = {
    "nginx/001-broken-config": SHARED | NGINX,
    "disk/001-filling-disk": SHARED | DISK,
    "systemd/001-unit-fails": SHARED | SYSTEMD,
    "investigate/001-who-fills-the-disk": SHARED | INVESTIGATE,
    "web/001-two-hosts": SHARED | WEB,
    "kubernetes/001-crashloopbackoff": SHARED | KUBERNETES,
}
