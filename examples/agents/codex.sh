#!/bin/sh
# OpenAI Codex without its terminal interface. Key: BENCH_AGENT_ENV=CODEX_API_KEY. Further flags may follow.
# Its own sandbox is off, since it would keep ssh from the hosts.
set -eu
here=$(dirname "$0")
cat "$here/instructions.md" "$BENCH_TICKET" |
  codex exec --skip-git-repo-check --ephemeral --sandbox danger-full-access --color never \
    ${BENCH_MAIN_ENGINE:+--model "$BENCH_MAIN_ENGINE"} "$@" -
