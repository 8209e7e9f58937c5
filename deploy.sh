#!/usr/bin/env bash
# An ensemble on this host: ./deploy.sh 3, then ./deploy.sh status | kill leader | stop ...; see ./deploy.sh --help.
# Makes the environment when there is none; the rest is zooweeper/cli/deploy.py.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$PWD
cd "$root"
source tools/environment.sh
make_environment
dir=$root/.zooweeper
for argument in "$@"; do
    [[ $argument == --dir || $argument == --dir=* ]] && dir=
done
cd "$here"
exec "$root/.venv/bin/python" -m zooweeper.cli.deploy ${dir:+--dir "$dir"} "$@"
