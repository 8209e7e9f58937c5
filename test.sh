#!/usr/bin/env bash
# The tests, on a machine with nothing but Python >= 3.11.
#   ./test.sh            everything that belongs to a change: check, sim, cluster (under 8 minutes on 2 cores)
#   ./test.sh quick      layers, units, properties, traces (under 40 seconds)
#   ./test.sh check      ruff, mypy, and all tests but sim and cluster
#   ./test.sh sim        the simulated world: fixed seeds and a random one
#   ./test.sh cluster    real processes, killed for real, and under fire (tests/robustness)
#   ./test.sh proof      everything at full length, about 90 minutes; `proof --short`: a little of it (docs/proof.md)
#   ./test.sh kazoo      kazoo's own test suite against our nodes, some minutes; `kazoo test_lock`: a module of it
#   ./test.sh cassandra  the grade database on a real Apache Cassandra, which it fetches first (tools/cassandra.sh)
#   ./test.sh bars       the measured bars of deployment, kills, recovery, and sessions by the thousand
#   ./test.sh compare    the same loads on Apache ZooKeeper and etcd, where they are installed (docs/speed.md)
# What follows the part goes to pytest: ./test.sh quick -k multi
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source tools/environment.sh
make_environment dev
bin=$PWD/.venv/bin

static() {
    "$bin/ruff" check .
    "$bin/ruff" format --check .
    "$bin/mypy"
}
real=(tests/cli tests/cluster tests/interop tests/robustness tests/test_docs.py
    tests/grades/test_{cassandra,checkpoints,commands,coordination,graceful,log,majority,server_crashes,simple}.py)
# one that hangs ends its worker (pyproject.toml) and the run: nobody is to hang in it again
run() { "$bin/python" -m pytest -n 2 --max-worker-restart=0 "$@"; }
files() { run --dist loadfile --no-loadscope-reorder "$@"; } # whole files, in the order of tests/conftest.py

part=${1:-all}
(($# == 0)) || shift
case $part in
    quick) run tests $(printf -- '--ignore=%s ' "${real[@]}" tests/sim tests/conformance) "$@" ;;
    check) static && run tests --ignore=tests/sim --ignore=tests/cluster --ignore=tests/interop --ignore=tests/robustness "$@" ;;
    sim) run tests/sim "$@" ;;
    cluster) files "${real[@]}" "$@" ;;
    proof) "$bin/python" tools/proof.py "$@" ;;
    kazoo) "$bin/python" -m tests.interop kazoo "$@" ;;
    cassandra) tools/cassandra.sh && files -m cassandra tests/grades "$@" ;;
    bars) "$bin/python" -m bench bars ;;
    compare) "$bin/python" -m bench compare "$@" ;;
    all)
        static
        files tests "$@"
        "$bin/python" -m bench regress  # warns only: does an operation cost more CPU than it did?
        ;;
    *)
        echo "test.sh: no such part: $part; one of quick check sim cluster proof kazoo cassandra bars compare, or none for all" >&2
        exit 2
        ;;
esac
