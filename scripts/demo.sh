#!/bin/bash
# Runs a collector on a fresh Debian or Ubuntu with a Rust toolchain: builds what this demonstration needs, starts
# nfacctd on a free port of the loopback interface, sends it NetFlow v5, v9 and IPFIX, shows the aggregates, and stops it.
#
# It builds nfacctd, pmacct and a flow generator, without databases, brokers, Parquet and libpcap, with a profile that
# compiles fast ("demo" in Cargo.toml). The end of the output shows how to build everything.
#
# Apart from target/, all files go to a temporary folder, which is removed at the end. The script can be run repeatedly.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
programs=$(realpath -m "${CARGO_TARGET_DIR:-target}")/demo
flows=3000

say() { printf '\n\033[1m== %s\033[0m (%d s)\n' "$*" "$SECONDS"; }

# Repeats a command until it succeeds, for at most the given number of seconds.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if ((SECONDS >= deadline)); then
            echo "timed out waiting for $what; log of the collector:" >&2
            cat "$work/log" >&2
            exit 1
        fi
        if [[ -n $daemon ]] && ! kill -0 "$daemon" 2>/dev/null; then
            echo "the collector exited; its log:" >&2
            cat "$work/log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

say "Installing packages"
scripts/install-packages.sh demo

say "Building nfacctd, pmacct and generate-flows"
echo "The first build compiles about 90 crates: one to three minutes on two cores."
cargo build --profile demo --locked --no-default-features --package pmacct --package testkit \
    --bin nfacctd --bin pmacct --bin generate-flows

work=$(mktemp -d)
daemon=
cleanup() {
    if [[ -n $daemon ]]; then
        kill -KILL "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bound() { grep -qi ": [0-9A-F]*:$(printf %04X "$1") " /proc/net/udp /proc/net/udp6; }
port=2100
while bound "$port"; do port=$((port + 1)); done
versions=$work/versions.sock
services=$work/services.sock

say "Starting: nfacctd -f etc/nfacctd-demo.conf -l $port"
(cd "$work" && exec "$programs/nfacctd" -f "$root/etc/nfacctd-demo.conf" -l "$port") >"$work/log" 2>&1 &
daemon=$!
until_true 20 "port $port" bound "$port"
until_true 20 "the memory plugins" test -S "$versions" -a -S "$services"
cat "$work/log"

say "Sending $flows flows: NetFlow v5, v9 and IPFIX, a third each"
"$programs/generate-flows" --flows "$flows" "127.0.0.1:$port" | tee "$work/sent"
sent=$(sed -n 's/.*: \([0-9]*\) packets.*/\1/p' "$work/sent")

# Succeeds when the table holds the packets of all flows.
counted() {
    [[ $("$programs/pmacct" -p "$versions" -s -O csv |
        awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "PACKETS") at = i; next } { n += $at } END { print n + 0 }') == "$sent" ]]
}
until_true 20 "all $sent packets to be counted" counted

say "Memory table by version and protocol: pmacct -s"
"$programs/pmacct" -p "$versions" -s

say "The ten largest services: pmacct -s -T bytes,10"
"$programs/pmacct" -p "$services" -s -T bytes,10

say "One of them, as JSON: pmacct -c proto,dst_port -M tcp,443 -O json"
"$programs/pmacct" -p "$services" -c proto,dst_port -M tcp,443 -O json

say "A file of the print plugin, one JSON object per line"
# The plugin writes at each refresh time, and when the daemon stops.
until_true 20 "the file of the print plugin" test -s "$work/flows.json"
head -n 5 "$work/flows.json"

say "Stopping: SIGINT"
kill -INT "$daemon"
wait "$daemon"
daemon=
rows=$(wc -l <"$work/flows.json")
written=$(sed -n 's/.*"packets": \([0-9]*\).*/\1/p' "$work/flows.json" | awk '{ n += $1 } END { print n + 0 }')
echo "nfacctd has stopped; its file has $rows aggregates with $written of $sent packets."
[[ $written == "$sent" ]]

say "Done"
cat <<'END'
To build all programs with all plugins, optimized (about half an hour of CPU time; the programs are in target/release):

    scripts/install-packages.sh build
    cargo build --release

With fewer plugins it takes less: cargo build --release --no-default-features --features pcap,sql
Features: amqp dtls ebpf grpc http kafka parquet pcap sql zmq
END
