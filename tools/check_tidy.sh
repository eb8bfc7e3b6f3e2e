#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy, with the rules of .clang-tidy, over the code that is no test:
#   tools/check_tidy.sh BUILD_FOLDER      which holds compile_commands.json, best made with clang
set -eu
cd "$(dirname "$0")/.."
build=${1:?usage: tools/check_tidy.sh BUILD_FOLDER}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if find src client bench -name '*.c' ! -name '*_test.c' -print | sort |
    xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet --warnings-as-errors='*' >"$log" 2>/dev/null; then
    echo "clang-tidy: nothing to say"
else
    cat "$log"
    exit 1
fi
