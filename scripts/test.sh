#!/bin/bash
# Runs all tests: those of the workspace, with real processes among them, and the conformance suite where there is one.
#
#   scripts/test.sh
#
# PMACCT_CONFORMANCE names the folder of the conformance suite; when it is not set, ../shared/conformance beside
# this tree is used, if it is there. Everything else comes with the repository.
set -euo pipefail

cd "$(dirname "$0")/.."

scripts/install-packages.sh test

# Unoptimized tests are built in a fraction of the time, and check arithmetic for overflow.
cargo test --locked --workspace

suite=${PMACCT_CONFORMANCE:-../shared/conformance}
if [[ ! -f $suite/run.py ]]; then
    if [[ -n ${PMACCT_CONFORMANCE:-} ]]; then
        echo "PMACCT_CONFORMANCE=$suite holds no run.py" >&2
        exit 1
    fi
    echo "no conformance suite: PMACCT_CONFORMANCE is not set and $suite is not there"
    exit 0
fi
cargo build --release --locked --bins
python3 tests/conformance.py "$suite" --bin "${CARGO_TARGET_DIR:-target}/release"
