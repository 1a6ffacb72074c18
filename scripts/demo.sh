#!/bin/bash
# From a fresh Debian or Ubuntu with a Rust toolchain to a collector at work: builds the programs, starts nfacctd on a
# free port of the loopback, sends it NetFlow v5, v9 and IPFIX, shows what it has counted, and ends it.
#
# All that it writes beside target/ is in a temporary folder, which is removed at the end. May be run again and again.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
programs=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
flows=3000

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# Runs what follows the seconds again and again until it succeeds.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if ((SECONDS >= deadline)); then
            echo "waited in vain for $what; the collector's log says:" >&2
            cat "$work/log" >&2
            exit 1
        fi
        if [[ -n $daemon ]] && ! kill -0 "$daemon" 2>/dev/null; then
            echo "the collector has ended; its log says:" >&2
            cat "$work/log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

say "Packages"
scripts/install-packages.sh build

say "Build"
cargo build --release --locked --package pmacct --package testkit --bins

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

say "Start: nfacctd -f etc/nfacctd-demo.conf -l $port"
(cd "$work" && exec "$programs/nfacctd" -f "$root/etc/nfacctd-demo.conf" -l "$port") >"$work/log" 2>&1 &
daemon=$!
until_true 20 "port $port" bound "$port"
until_true 20 "the memory plugins" test -S "$versions" -a -S "$services"
cat "$work/log"

say "Flows: $flows, of NetFlow v5, v9 and IPFIX, a third each"
"$programs/generate-flows" --flows "$flows" "127.0.0.1:$port" | tee "$work/sent"
sent=$(sed -n 's/.*: \([0-9]*\) packets.*/\1/p' "$work/sent")

# Until the table holds the packets of all flows that were sent.
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

say "Files of the print plugin, a JSON object a line"
# Tables are written at each refresh time, and at the end.
until_true 20 "the print plugin's file" test -s "$work/flows.json"
head -n 5 "$work/flows.json"

say "End: SIGINT"
kill -INT "$daemon"
wait "$daemon"
daemon=
rows=$(wc -l <"$work/flows.json")
written=$(sed -n 's/.*"packets": \([0-9]*\).*/\1/p' "$work/flows.json" | awk '{ n += $1 } END { print n + 0 }')
echo "nfacctd has ended; its file has $rows aggregates with $written of $sent packets."
[[ $written == "$sent" ]]
