#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build, test or check Orderwire, and nothing where all is there.
# Debian 12 and 13, Ubuntu 24.04: packages through apt (with sudo when not root), the rest through npm.
#   tools/setup.sh [build|test|check]      each word includes the ones before it
#   tools/setup.sh [bench|peers]           what `make bench` needs; with the servers that it compares with
set -eu

cd "$(dirname "$0")/.."
level=${1:-build}
case $level in
build | test | check | bench | peers) ;;
*)
    echo "usage: tools/setup.sh [build|test|check|bench|peers]" >&2
    exit 2
    ;;
esac

missing=""

say() { echo "setup: $*" >&2; }
die() {
    say "$*"
    exit 1
}
need() {
    for name in "$@"; do
        case "$missing " in
        *" $name "*) ;;
        *) missing="$missing $name" ;;
        esac
    done
}
has_command() { command -v "$1" >/dev/null 2>&1; }
command_or() { has_command "$1" || need "$2"; }
library_or() { pkg-config --exists "$1" 2>/dev/null || need "$2"; }
header_or() { [ -e "/usr/include/$1" ] || [ -e "/usr/local/include/$1" ] || need "$2"; }

# What a node_modules folder holds is as its lock file says.
npm_is_current() { [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ]; }

check_node() {
    [ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
    if ! has_command node; then
        need nodejs npm
        return
    fi
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 18 ] || die "node 18 or newer is needed; $(command -v node) is $(node --version)"
    has_command npm || need npm
}

check_build() {
    command_or gcc gcc
    header_or stdlib.h libc6-dev
    command_or cmake cmake
    command_or ninja ninja-build
    command_or pkg-config pkg-config
    library_or libuv libuv1-dev
    library_or libcrypto libssl-dev
    library_or sqlite3 libsqlite3-dev
    library_or libcurl libcurl4-openssl-dev
    library_or yaml-0.1 libyaml-dev
    library_or cmocka libcmocka-dev
    library_or libprotobuf-c libprotobuf-c-dev
    command_or protoc-c protobuf-c-compiler
    header_or wslay/wslay.h libwslay-dev
    if ! [ -e /usr/include/llhttp.h ] && ! [ -e /usr/share/llhttp/llhttp.c ]; then
        need llhttp
    fi
    npm_is_current web || check_node
}

# Ubuntu's chromium package only starts a snap, which a server or a container cannot run.
check_browser() {
    for browser in chromium google-chrome chrome; do
        if has_command $browser; then return; fi
    done
    if [ "$(distribution)" = ubuntu ]; then
        say "no chromium found, and Ubuntu has it only as a snap: the browser test will be skipped"
    else
        need chromium
    fi
}

check_test() {
    check_node
    command_or python3 python3
    command_or openssl openssl
    command_or curl curl
    command_or valgrind valgrind
    ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || need libfaketime
    check_browser
}

fuzzer_compiles() {
    echo 'int LLVMFuzzerTestOneInput(const void *data, long size) { return !data && size; }' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null
}

check_check() {
    command_or clang-format clang-format
    command_or clang-tidy clang-tidy
    command_or pmccabe pmccabe
    if ! has_command clang; then
        need clang clang-runtime
    elif ! fuzzer_compiles; then
        need clang-runtime
    fi
}

check_bench() {
    command_or python3 python3
}

# Debian starts an nginx of its own on port 80 with the package; the bench does not need that one.
check_peers() {
    command_or nginx nginx
    [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || need libnginx-mod-nchan
}

distribution() {
    # shellcheck disable=SC1091
    (. /etc/os-release && echo "$ID") 2>/dev/null || echo unknown
}

# Two of our names are not packages, because their packages differ from release to release.
package_of() {
    case $1 in
    llhttp)
        if apt-cache show libllhttp-dev 2>/dev/null | grep -q '^Package:'; then
            echo libllhttp-dev
        else
            echo node-llhttp
        fi
        ;;
    clang-runtime)
        version=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
        echo "libclang-rt-$version-dev"
        ;;
    *) echo "$1" ;;
    esac
}

install_missing() {
    has_command apt-get || die "these are missing, and there is no apt-get to install them:$missing"
    if [ "$(id -u)" -eq 0 ]; then
        as_root="env"
    elif ! has_command sudo; then
        die "these packages are missing; become root to install them, or install sudo:$missing"
    elif [ -t 0 ] || sudo -n true 2>/dev/null; then
        as_root="sudo env"
    else
        die "these packages are missing, and sudo wants a password; run tools/setup.sh $level in a terminal:$missing"
    fi
    say "installing with apt-get, which may take some minutes:$missing"
    apt_get update
    packages=""
    for name in $missing; do packages="$packages $(package_of "$name")"; done
    # shellcheck disable=SC2086
    apt_get install --no-install-recommends $packages
}

# apt-get's hundreds of lines are shown only when it fails.
apt_get() {
    log=$(mktemp)
    if ! $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        die "apt-get $1 failed"
    fi
    rm -f "$log"
}

npm_install() {
    npm_is_current "$1" && return
    say "installing the npm packages of $1"
    (cd "$1" && npm ci --silent --ignore-scripts --no-audit --no-fund --fetch-retries=3 >&2) ||
        die "npm could not install the packages of $1/package-lock.json; \`npm ci\` there says why"
    touch "$1/node_modules/.package-lock.json"
}

check_build
case $level in
test) check_test ;;
check)
    check_test
    check_check
    ;;
bench) check_bench ;;
peers)
    check_bench
    check_peers
    ;;
esac
[ -z "$missing" ] || install_missing
npm_install web
case $level in
test | check) npm_install tests/e2e ;;
esac
