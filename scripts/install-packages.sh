#!/bin/sh
# Installs the Debian or Ubuntu packages that are needed to build or test the suite, and lists them.
#
#   scripts/install-packages.sh [demo|build|test]
#
# demo: a C compiler, whose linker rustc uses.
# build (the default): all that cargo needs besides a Rust toolchain: a C compiler, make, pkg-config, and the headers of
# libpcap, OpenSSL and zlib.
# test: the same, and what the tests run: Python, clang (for programs of eBPF), ip, nft, unshare, valgrind, database, broker and Redis servers, routing
# daemons and an RPKI cache (the tests start private ones); ClickHouse and the headers of libndpi only where the distribution has them.
#
# Does nothing when all packages are installed. Works as root or with sudo; otherwise it prints the command to run.
set -eu

cd "$(dirname "$0")/.."

purpose=${1:-build}
optional=
packages="gcc libc6-dev"
build="gcc libc6-dev libpcap-dev libssl-dev make pkg-config zlib1g-dev"
case $purpose in
demo) ;;
build) packages=$build ;;
test)
    # Some distributions lack these.
    optional="clickhouse-server libndpi-dev"
    packages="$build python3 python3-venv iproute2 nftables util-linux procps"
    packages="$packages postgresql mariadb-server rabbitmq-server redis-server tshark valgrind"
    packages="$packages bird2 bgpdump clang frr gobgpd exabgp stayrtr"
    ;;
*)
    echo "usage: $0 [demo|build|test]" >&2
    exit 2
    ;;
esac

if ! command -v cargo >/dev/null 2>&1; then
    # rustup installs it there; a shell that was started earlier does not have that folder in PATH yet.
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "cargo is not in PATH; run: . \"\$HOME/.cargo/env\"" >&2
    else
        echo "No Rust toolchain found. Install one (see https://rustup.rs) and run this again." >&2
    fi
    exit 1
fi
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
version=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$wanted" "$version" | sort -V | head -n1)" != "$wanted" ]; then
    echo "cargo $version is too old: version $wanted or later is required. With rustup: rustup update stable" >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is neither Debian nor Ubuntu. Install the equivalents of these packages, if they are missing:" >&2
    echo "  $packages" >&2
    exit 0
fi

# Prints those of its arguments that are not installed packages.
absent() {
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || printf ' %s' "$package"
    done
}

# shellcheck disable=SC2086  # splitting is intended
missing=$(absent $packages)
# shellcheck disable=SC2086
wanted=$(absent $optional)
if [ -z "$missing$wanted" ]; then
    echo "packages: all installed ($packages${optional:+ $optional})"
    exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        [ -n "$missing" ] || exit 0
        echo "Packages are missing, and sudo is not available. Run as root:" >&2
        echo "  apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "packages: installing$missing$wanted"
export DEBIAN_FRONTEND=noninteractive
# The package index may be missing (fresh images) or stale; it is fetched only when the installation fails.
# shellcheck disable=SC2086
if ! $as_root apt-get install -y -q --no-install-recommends $missing $wanted >/dev/null 2>&1; then
    $as_root apt-get update -q
    # shellcheck disable=SC2086
    [ -z "$missing" ] || $as_root apt-get install -y -q --no-install-recommends $missing
    # shellcheck disable=SC2086
    [ -z "$wanted" ] || $as_root apt-get install -y -q --no-install-recommends $wanted ||
        echo "packages: this distribution lacks$wanted; tests that need it are skipped"
fi
