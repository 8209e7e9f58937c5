"""The real zkCli, and programs with ZooKeeper's own Java client and with Curator, on our nodes.

Rules: what zkCli says of our node is what it says of a real ZooKeeper, line by line; only numbers that each server
counts for itself are replaced, and what is different on purpose is named in `OURS`. The programs check for themselves
(`java/Client.java`, `java/Recipes.java`); they ask for kills on stdout, and are told on stdin when it is done.
"""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.interop.differential.servers import classpath, missing, missing_tools, zookeeper, zooweeper
from tests.interop.differential.session import Address
from zooweeper.cli.ensemble import Ensemble

HERE = Path(__file__).parent
JVM = ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
PROGRAM_S = 100.0
needs_zookeeper = pytest.mark.skipif(bool(missing()), reason=missing())
needs_javac = pytest.mark.skipif(bool(missing_tools()), reason=missing_tools())

COMMANDS = """\
create /a hello
create -s /a/n- one
create -s /a/n- two
create -e /a/e mine
create -c /a/c
create -t 3600000 /a/t soon
create /a
ls /
ls -s /a
ls -R /
ls -w /a
get /a
get -s -w /a
set /a other
set -v 99 /a no
set -s -v 1 /a third
stat /a
stat -w /none
create /none
getAcl /a
getAcl -s /a
addauth digest bob:secret
setAcl /a auth::cdrwa
getAcl /a
whoami
create /guarded x world:anyone:r
set /guarded y
setAcl -s -v 0 /guarded digest:bob:fyVmFCwVbTJYrznoSu1koqYEYF0=:cdrwa
sync /a
getEphemerals
getEphemerals /a
getAllChildrenNumber /a
addWatch -m PERSISTENT /a
create /a/w 1
set /a/w 2
delete /a/w
addWatch -m PERSISTENT_RECURSIVE /a
create /a/w 1
set /a/w 2
delete /a/w
removewatches /a -a
removewatches /a -a
delete /a
delete -v 7 /a/t
delete -v 0 /a/t
deleteall /a
deleteall /zookeeper
get /a
version
config
nonsense
create bad
create /x/y/z
get -b /guarded
quit
"""
OURS = re.compile(r"server\.\d+=.*|version=[0-9a-f]+")  # of `config`: a standalone ZooKeeper has no members
EVENT = re.compile(r"WatchedEvent .*|WATCHER::|")
NUMBERS = re.compile(r"(?<=[cmp]Zxid = )0x[0-9a-f]+|(?<=zxid: )\d+")
UNEQUAL = re.compile(r"(?<=[cm]time = ).*|(?<=Connecting to ).*")


def zkcli(address: Address) -> tuple[list[str], list[str], list[str]]:
    """What zkCli says to the commands: on stdout, of events, on stderr."""
    host, port = address
    command = [*JVM, "-cp", classpath(), "org.apache.zookeeper.ZooKeeperMain", "-server", f"{host}:{port}"]
    done = subprocess.run(command, input=COMMANDS, capture_output=True, text=True, timeout=PROGRAM_S, check=True)
    zxids = sorted({int(found, 0) for found in NUMBERS.findall(done.stdout)})
    text = NUMBERS.sub(lambda match: f"zxid {zxids.index(int(match[0], 0))}", UNEQUAL.sub("...", done.stdout))
    text = re.sub(
        r"(?<=Auth scheme: User\n)(.*: .*\n)+", lambda match: "".join(sorted(match[0].splitlines(True))), text
    )
    lines = text.splitlines()
    # Events come on a thread of their own, between any two lines of the commands.
    said = [line for line in lines if not EVENT.fullmatch(line) and not OURS.fullmatch(line)]
    events = [line for line in lines if line.startswith("WatchedEvent")]
    return said, events, done.stderr.splitlines()


@needs_zookeeper
def test_zkcli_tells_no_difference() -> None:
    with zookeeper() as real, zooweeper(1) as ours:
        for theirs, mine in zip(zkcli(real[0]), zkcli(ours[0]), strict=True):
            assert mine == theirs


# ---- programs


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    sources = map(str, sorted((HERE / "java").glob("*.java")))
    subprocess.run(
        ["javac", "-Xlint:all,-serial,-processing", "-cp", classpath(), "-d", str(folder), *sources], check=True
    )
    return folder


@pytest.fixture
def three() -> Iterator[Ensemble]:
    with Ensemble.temporary(3) as ensemble:
        ensemble.start()
        ensemble.wait_healthy()
        yield ensemble


def run(program: str, classes: Path, words: Sequence[str], obey: Callable[[list[str]], None]) -> list[str]:
    """What a program said; it got what it asked for, and ended well."""
    command = [*JVM, "-cp", f"{classpath()}:{classes}", program, *words]
    said: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        watchdog = threading.Timer(PROGRAM_S, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                said.append(line.strip())
                if line.startswith(("kill", "start")):
                    obey(line.split())
                    process.stdin.write("done\n")
                    process.stdin.flush()
        finally:
            watchdog.cancel()
    assert process.returncode == 0, said
    return said


def obedient(ensemble: Ensemble) -> Callable[[list[str]], None]:
    """Does to an ensemble what programs ask for."""

    def obey(words: list[str]) -> None:
        match words:
            case ["kill", "leader"]:
                ensemble.kill(ensemble.leader())
            case ["kill", port]:
                ensemble.kill(next(member.id for member in ensemble.members if member.wire.port == int(port)))
            case ["start"]:
                ensemble.start()

    return obey


def hosts(ensemble: Ensemble) -> str:
    return ",".join(str(member.wire) for member in ensemble.members)


@needs_javac
def test_the_java_client_and_a_session_that_moves(classes: Path, three: Ensemble) -> None:
    said = run("Client", classes, [hosts(three), "three"], obedient(three))
    assert said[-1] == "done"
    assert any(line.startswith("kill") for line in said)


@needs_javac
def test_the_same_program_on_zookeeper(classes: Path) -> None:
    """What it checks is what ZooKeeper does."""
    with zookeeper("-Dznode.container.checkIntervalMs=500") as [(host, port)]:
        assert run("Client", classes, [f"{host}:{port}", "alone"], print)[-1] == "done"


@needs_javac
def test_curator_while_the_leader_is_killed(classes: Path, three: Ensemble) -> None:
    said = run("Recipes", classes, [hosts(three)], obedient(three))
    assert said == ["election", "lock", "kill leader", "start", "mirror", "done"]
