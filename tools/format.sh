#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts the C code into the shape of .clang-format; with --check only names the files that are not.
set -eu
cd "$(dirname "$0")/.."

sources() {
    find src client fuzz tests bench -name node_modules -prune -o -name '*.[ch]' -print 2>/dev/null | sort
}

# Other versions of clang-format break some lines elsewhere.
wanted=14
program=$(command -v clang-format-$wanted || command -v clang-format || true)
[ -n "$program" ] || { echo "format: clang-format is not installed" >&2; exit 1; }
version=$("$program" --version | sed -n 's/.*version \([0-9]*\).*/\1/p')

case ${1:-} in
"") sources | xargs -r "$program" -i ;;
--check)
    if [ "$version" != "$wanted" ]; then
        echo "format: not checked: that takes clang-format $wanted, and $version is installed"
    elif ! odd=$(sources | xargs -r "$program" --dry-run -Werror 2>&1); then
        echo "$odd" | sed -n 's/^\([^: ]*\):[0-9].*error:.*/\1/p' | sort -u
        echo "format: these files are out of shape; \`make format\` mends them"
        exit 1
    fi
    ;;
*) echo "usage: tools/format.sh [--check]" >&2; exit 2 ;;
esac
