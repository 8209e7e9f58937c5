#!/usr/bin/env bash
# Gets what tests/interop needs to compare with a real Apache ZooKeeper: Java, and the jars of ZooKeeper 3.9 and Curator,
# which the Python package pyspark carries, into .interop/java. Once; some 450 MB are fetched, 20 MB stay.
#   tools/java-interop.sh
# Without it, or where it cannot (no network; no Java, and not root on a Debian), those tests are skipped and say so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pyspark=4.3.0
jars=(zookeeper zookeeper-jute curator-client curator-framework curator-recipes guava failureaccess audience-annotations
    commons-cli commons-io jackson-annotations jackson-core jackson-databind metrics-core snappy-java slf4j-api
    log4j-api log4j-core log4j-slf4j2-impl netty-buffer netty-codec netty-codec-base netty-common netty-handler
    netty-resolver netty-transport netty-transport-native-unix-common netty-transport-classes-epoll)

[[ ${1:-} == "" ]] || { sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; [[ $1 == --help ]]; exit; }
fail() {
    echo "java-interop: $1" >&2
    exit 1
}

if ! command -v javac >/dev/null; then
    [[ $EUID == 0 ]] && command -v apt-get >/dev/null || fail "there is no javac; install a JDK of version 17 or later"
    echo "java-interop: installing a JDK" >&2
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jdk-headless; } >&2 ||
        fail "apt-get could not install default-jdk-headless; see its lines above"
fi

if ! compgen -G ".interop/java/zookeeper-3.9.*.jar" >/dev/null; then
    source tools/environment.sh
    make_environment dev
    mkdir -p .interop
    work=$(mktemp -d .interop/java.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    echo "java-interop: fetching pyspark $pyspark for the jars in it (once)" >&2
    .venv/bin/python -m pip download -q --disable-pip-version-check --no-deps --no-build-isolation --no-binary :all: \
        -d "$work" "pyspark==$pyspark" >&2 || fail "pip could not fetch pyspark; see its lines above"
    mkdir "$work/jars"
    patterns=("${jars[@]/#/*/deps/jars/}")
    tar -xzf "$work/pyspark-$pyspark.tar.gz" -C "$work/jars" --wildcards --strip-components=3 \
        "${patterns[@]/%/-[0-9]*.jar}" || fail "pyspark $pyspark has not all the jars"
    compgen -G "$work/jars/zookeeper-3.9.*.jar" >/dev/null || fail "there is no ZooKeeper 3.9 in pyspark $pyspark"
    mv -T "$work/jars" .interop/java
fi
echo "java-interop: $(basename .interop/java/zookeeper-3.9.*.jar .jar) on $(java -version 2>&1 | head -1)" >&2
