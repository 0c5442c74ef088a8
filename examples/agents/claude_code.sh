#!/bin/sh
# Claude Code without its terminal interface. Key: BENCH_AGENT_ENV=ANTHROPIC_API_KEY. Further flags may follow.
set -eu
here=$(dirname "$0")
cat "$here/instructions.md" "$BENCH_TICKET" |
  claude --print --bare --no-session-persistence --allowedTools Bash,Read,Write,Edit \
    ${BENCH_MAIN_ENGINE:+--model "$BENCH_MAIN_ENGINE"} "$@"
