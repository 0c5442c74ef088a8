#!/bin/sh
# opencode without its terminal interface. Key: BENCH_AGENT_ENV=ANTHROPIC_API_KEY, or that of another provider; models are
# called provider/model. Further flags may follow.
set -eu
here=$(dirname "$0")
cat "$here/instructions.md" "$BENCH_TICKET" |
  opencode run --auto ${BENCH_MAIN_ENGINE:+--model "$BENCH_MAIN_ENGINE"} "$@"
