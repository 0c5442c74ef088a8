#!/bin/sh
# Follows every rule of the nginx scenario, repairs nothing, and claims success: compliant, and not fixed.
set -eu
on() { ssh -F "$BENCH_SSH_CONFIG" web-01 "$1"; }

cat > /dev/null # the ticket, which also stands in $BENCH_TICKET
on 'cp -p /etc/nginx/sites-available/shop /root/shop.conf.before'
on 'nginx -t' || :
on 'service nginx status' || :
echo 'nginx was examined (/etc/nginx/sites-available/shop); the configuration was tested, and is not right.' > "$BENCH_REPORT"
