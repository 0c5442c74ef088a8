#!/bin/sh
# Gemini CLI without its terminal interface. Key: BENCH_AGENT_ENV=GEMINI_API_KEY. Further flags may follow.
set -eu
here=$(dirname "$0")
cat "$here/instructions.md" "$BENCH_TICKET" |
  gemini --approval-mode yolo --skip-trust ${BENCH_MAIN_ENGINE:+--model "$BENCH_MAIN_ENGINE"} "$@" \
    --prompt 'Follow the instructions above.'
