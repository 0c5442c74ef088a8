#!/bin/sh
# A first agent: reads the ticket, looks at each host, changes nothing, and reports what it saw.
# Replace `look` by calls of your own program; everything that goes through ssh is recorded with its exit status.
set -eu

ticket=$(cat) # also in the file $BENCH_TICKET, and as JSON in $BENCH_TICKET_JSON

look() {
  ssh -F "$BENCH_SSH_CONFIG" "$1" 'uptime; df -h; ! command -v systemctl > /dev/null || systemctl --failed --no-pager --no-legend' 2>&1
}

{
  echo "Ticket: $(printf '%s\n' "$ticket" | head -n 1)"
  for host in $BENCH_HOSTS; do
    echo
    echo "$host:"
    look "$host" || echo "(ended with status $?)"
  done
} > "$BENCH_REPORT"

# How the job ends. Without this file an exit status of 0 means success, and any other agentic_failure.
echo no_action > resolution
