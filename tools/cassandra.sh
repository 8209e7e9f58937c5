#!/usr/bin/env bash
# Gets what the tests marked `cassandra` need: Java, an Apache Cassandra (cassandra-all and all it needs, by Maven, some
# 70 MB) into .interop/cassandra, and the Python driver into .venv. Once; then it costs nothing.
#   tools/cassandra.sh
# Without it, or where it cannot (no network; no Java or Maven, and not root on a Debian), those tests are skipped and
# say so. Where Maven fetches from is for its own settings to say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ ${1:-} == "" ]] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; [[ $1 == --help ]]; exit; }
fail() {
    echo "cassandra: $1" >&2
    exit 1
}
install() { # command, what to install for it
    command -v "$1" >/dev/null && return
    [[ $EUID == 0 ]] && command -v apt-get >/dev/null || fail "there is no $1; install it, or run this as root on a Debian"
    echo "cassandra: installing $2" >&2
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2"; } >&2 ||
        fail "apt-get could not install $2; see its lines above"
}

install java default-jdk-headless
source tools/environment.sh
make_environment dev
if ! .venv/bin/python -c 'import cassandra.cluster' 2>/dev/null; then
    echo "cassandra: installing the driver" >&2
    .venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev,cassandra]' >&2 ||
        fail "pip could not install the driver; see its lines above"
fi

if ! compgen -G ".interop/cassandra/cassandra-all-*.jar" >/dev/null; then
    install mvn maven
    mkdir -p .interop
    work=$(mktemp -d .interop/cassandra.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    echo "cassandra: fetching it with Maven (once)" >&2
    mvn -B -q -Dstyle.color=never -f tests/interop/cassandra/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$PWD/$work/jars" >&2 || fail "Maven could not fetch it; see its lines above"
    compgen -G "$work/jars/cassandra-all-*.jar" >/dev/null || fail "Maven brought no cassandra-all"
    rm -rf .interop/cassandra
    mv -T "$work/jars" .interop/cassandra
fi
echo "cassandra: $(basename .interop/cassandra/cassandra-all-*.jar .jar) on $(java -version 2>&1 | head -1)" >&2
