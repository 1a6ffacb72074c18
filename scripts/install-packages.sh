#!/bin/sh
# Installs the Debian or Ubuntu packages that building or testing needs, and says which.
#
#   scripts/install-packages.sh [build|test]
#
# build (the default): what cargo needs beside a Rust toolchain: a C compiler, make, pkg-config, and the headers of
# libpcap, OpenSSL and zlib.
# test: that, and what tests run: Python, ip, nft, unshare, and the servers of databases and brokers, of which the tests
# start their own; ClickHouse, and the headers of libndpi, only where the distribution has them.
#
# Nothing is done when all of them are there. Works as root, or with sudo; without either it says what to install.
set -eu

cd "$(dirname "$0")/.."

purpose=${1:-build}
optional=
packages="gcc libc6-dev libpcap-dev libssl-dev make pkg-config zlib1g-dev"
case $purpose in
build) ;;
test)
    # Not every distribution has these.
    optional="clickhouse-server libndpi-dev"
    packages="$packages python3 python3-venv iproute2 nftables util-linux procps"
    packages="$packages postgresql mariadb-server rabbitmq-server tshark"
    ;;
*)
    echo "usage: $0 [build|test]" >&2
    exit 2
    ;;
esac

if ! command -v cargo >/dev/null 2>&1; then
    # Where rustup puts it, although a shell that is already open does not look there yet.
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "cargo is not in PATH; run: . \"\$HOME/.cargo/env\"" >&2
    else
        echo "There is no Rust toolchain. Install one, for example as https://rustup.rs tells, and start again." >&2
    fi
    exit 1
fi
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
version=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$wanted" "$version" | sort -V | head -n1)" != "$wanted" ]; then
    echo "cargo $version is too old: $wanted is needed. With rustup: rustup update stable" >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is neither Debian nor Ubuntu: make sure that these packages, or what they are called here, are" >&2
    echo "installed: $packages" >&2
    exit 0
fi

# Those of the named packages that are not there.
absent() {
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || printf ' %s' "$package"
    done
}

# shellcheck disable=SC2086  # words are meant to be split
missing=$(absent $packages)
# shellcheck disable=SC2086
wanted=$(absent $optional)
if [ -z "$missing$wanted" ]; then
    echo "packages: all there ($packages${optional:+ $optional})"
    exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        [ -n "$missing" ] || exit 0
        echo "These packages are missing, and there is no sudo to install them with. As root, run:" >&2
        echo "  apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "packages: installing$missing$wanted"
export DEBIAN_FRONTEND=noninteractive
# A package list may be absent (fresh images) or out of date; it is fetched only when it is needed.
# shellcheck disable=SC2086
if ! $as_root apt-get install -y -q --no-install-recommends $missing $wanted >/dev/null 2>&1; then
    $as_root apt-get update -q
    # shellcheck disable=SC2086
    [ -z "$missing" ] || $as_root apt-get install -y -q --no-install-recommends $missing
    # shellcheck disable=SC2086
    [ -z "$wanted" ] || $as_root apt-get install -y -q --no-install-recommends $wanted ||
        echo "packages: this distribution has no$wanted; tests with it are left out"
fi
