#!/bin/sh
# A careful operator for scenarios/nginx/001-broken-config, one login per step; gives up at the first step that fails.
set -eu
on() { ssh -F "$BENCH_SSH_CONFIG" web-01 "$1"; }
site=/etc/nginx/sites-available/shop
trap 'echo "gave up: a step failed, nginx is as it was left"' EXIT
on 'nginx -t || true'
on "cp -p $site /root/shop.before"
on "sed -i 's/^\\( *expires 7d\\)\$/\\1;/' $site"
on 'nginx -t'
on 'service nginx start'
on 'curl -fsS --retry 3 --retry-connrefused --retry-delay 1 http://127.0.0.1/catalogue/ > /dev/null'
trap - EXIT
echo "nginx is up again: in $site a semicolon was missing after 'expires 7d'. The file as it was: /root/shop.before." > "$BENCH_REPORT"
