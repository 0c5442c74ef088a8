#!/bin/sh
# goose without its terminal interface. Key: BENCH_AGENT_ENV=GOOSE_PROVIDER,OPENAI_API_KEY, or as the provider wants it.
# Further flags may follow.
set -eu
here=$(dirname "$0")
export GOOSE_MODE=auto
cat "$here/instructions.md" "$BENCH_TICKET" |
  goose run --no-session --with-builtin developer ${BENCH_MAIN_ENGINE:+--model "$BENCH_MAIN_ENGINE"} "$@" --instructions -
