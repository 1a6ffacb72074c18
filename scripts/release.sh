#!/bin/bash
# Builds all programs, strips them, and keeps their symbols in separate files: PROGRAM and PROGRAM.debug in target/release.
#
#   scripts/release.sh [CARGO BUILD OPTION]...
#
# gdb, perf and addr2line find the symbols through the link in the program while both files are in one folder; symbols may
# also be installed to /usr/lib/debug. Plain `cargo build --release` makes the same programs without their symbols: on
# Linux, cargo's split-debuginfo leaves in the program what stripping takes away, and its .dwp file is useless without it.
set -euo pipefail

cd "$(dirname "$0")/.."

cargo build --release --locked --bins --config 'profile.release.strip="none"' "$@"
cd "${CARGO_TARGET_DIR:-target}/release"
for program in nfacctd sfacctd pmacctd uacctd pmbgpd pmbmpd pmtelemetryd pmacct; do
    objcopy --only-keep-debug "$program" "$program.debug"
    # A new file: the program may be hard-linked to target/release/deps, where cargo would mistake a changed one for its own.
    objcopy --strip-all --add-gnu-debuglink="$program.debug" "$program" "$program.stripped"
    chmod 644 "$program.debug"
    mv -f "$program.stripped" "$program"
    printf '%s: %d MB, symbols %d MB\n' "$program" \
        $(($(stat -c %s "$program") / 1000000)) $(($(stat -c %s "$program.debug") / 1000000))
done
