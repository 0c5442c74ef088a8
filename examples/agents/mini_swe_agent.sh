#!/bin/sh
# mini-swe-agent. Key: BENCH_AGENT_ENV=OPENAI_API_KEY, or that of another provider; models are called as LiteLLM does,
# openai/NAME for instance. Further flags may follow.
set -eu
here=$(dirname "$0")
export MSWEA_CONFIGURED=true MSWEA_SILENT_STARTUP=1 MSWEA_COST_TRACKING="${MSWEA_COST_TRACKING:-ignore_errors}"
mini --yolo --exit-immediately --output trajectory.json \
  ${BENCH_MAIN_ENGINE:+--model "$BENCH_MAIN_ENGINE"} "$@" \
  --task "$(cat "$here/instructions.md" "$BENCH_TICKET")" < /dev/null
