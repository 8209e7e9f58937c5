"""The pure parts of the comparison: what generators say, turns, ratios, bars, and how it is all shown."""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.compare import arena, command, h2load, matrix, report, rivals
from bench.compare.chart import better, chart
from bench.compare.h2load import CALLS, Report
from bench.compare.matrix import Match
from bench.compare.measured import Figures, Load, of_result
from bench.compare.ratios import Bar, Row
from bench.compare.rivals import Zooweeper
from bench.compare.turns import play, rows_of, turns_of
from bench.load import Stuck
from bench.say import Say
from zooweeper.cli.settings import read_node
from zooweeper.pb import client_pb2 as pb

SAID = """\
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 3.00s, 34347.50 req/s, 2.18MB/s
requests: 68695 total, 68695 started, 68695 done, 68690 succeeded, 5 failed, 0 errored, 0 timeout
status codes: 68695 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 4.36MB (4572250) total, 178.74KB (183030) headers (space savings 94.73%), 2.86MB (2997547) data
"""

# ---- h2load


def test_what_h2load_says() -> None:
    assert h2load.parse(SAID) == Report(per_s=34347.5, requests=68695, failed=5, body_bytes=2997547)


def test_redirected_calls_failed() -> None:
    assert h2load.parse(SAID.replace("68695 2xx, 0 3xx", "695 2xx, 68000 3xx")).failed == 68_005


def test_a_call_across_the_end_of_the_warm_up_did_not_fail() -> None:
    """Its status is counted with the warm-up, its end with the load."""
    assert h2load.parse(SAID.replace("68695 2xx", "68694 2xx").replace("68690 succ", "68695 succ")).failed == 0


def test_what_is_no_summary_is_said() -> None:
    numbers = "body_bytes, per_s, redirected, requests, succeeded"
    with pytest.raises(Stuck, match=f"did not say: {numbers}; it said: no such option"):
        h2load.parse("h2load: oh\nno such option\n")


def test_latencies_of_a_log() -> None:
    assert h2load.latencies("1795264383165239\t200\t13211\n1795264383165238\t200\t7\n") == [13211, 7]


def test_processes_are_added_up() -> None:
    reports = [Report(100.0, 10, 0, 300), Report(50.0, 5, 0, 100)]
    assert h2load.figures(reports, [5, 1, 2, 3, 4]) == {"per_s": 150.0, "p50_us": 3, "p99_us": 5}


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ([Report(100.0, 10, 1, 300)], "1 of 10 calls failed"),
        ([Report(0.0, 0, 0, 0)], "0 of 0 calls failed"),
        ([Report(100.0, 10, 0, 49)], "the answers are empty"),  # a failed gRPC call has 200, and no message
    ],
)
def test_failed_calls_are_no_figures(reports: list[Report], reason: str) -> None:
    with pytest.raises(Stuck, match=reason):
        h2load.figures(reports, [1])


def test_bodies_are_framed_messages() -> None:
    body = CALLS["unary", "set"].body
    assert body[:5] == b"\0" + (len(body) - 5).to_bytes(4, "big")
    assert pb.SetDataRequest.FromString(body[5:]) == pb.SetDataRequest(path=h2load.KEY, data=h2load.VALUE)
    put = CALLS["etcd", "set"].message  # key 1, value 2: the same fields as of CreateRequest
    assert pb.CreateRequest.FromString(put) == pb.CreateRequest(path=h2load.KEY, data=h2load.VALUE)


def test_a_long_field_is_refused() -> None:
    assert h2load.field(2, b"abc") == b"\x12\x03abc"
    with pytest.raises(ValueError, match="128 bytes"):
        h2load.field(2, bytes(128))


# ---- the own generator

RESULT: dict[str, Any] = {
    "target": "zk://h:1",
    "operation": "mix",
    "operations": 5,
    "ops_per_s": 10.0,
    "errors": {},
    "reads": {"p50_us": 1.0, "p99_us": 2.0},
    "writes": {"p50_us": 3.0, "p99_us": 4.0},
    "server_cpu_us_per_op": 6.0,
    "generator_cpu_us_per_op": 7.0,
}
COMMON = {"per_s": 10.0, "servers_us": 6.0, "generator_us": 7.0}


def test_figures_of_a_mix_and_of_one_kind() -> None:
    mixed = {"reads_p50_us": 1.0, "reads_p99_us": 2.0, "writes_p50_us": 3.0, "writes_p99_us": 4.0}
    assert of_result(RESULT) == COMMON | mixed
    assert of_result(RESULT | {"writes": None}) == COMMON | {"p50_us": 1.0, "p99_us": 2.0}


@pytest.mark.parametrize("change", [{"errors": {"NoNode": 1}}, {"operations": 0}])
def test_a_load_with_errors_has_no_figures(change: dict[str, object]) -> None:
    with pytest.raises(Stuck, match="mix on zk://h:1"):
        of_result(RESULT | change)


# ---- ratios


@pytest.mark.parametrize(
    ("bar", "ratio", "verdict"),
    [
        (Bar("per_s", 3, 5), 2.99, "missed"),
        (Bar("per_s", 3, 5), 3, "ok"),
        (Bar("per_s", 3, 5), 5, "goal"),
        (Bar("p99_us", 1, 0.5), 1.01, "missed"),
        (Bar("p99_us", 1, 0.5), 1, "ok"),
        (Bar("p99_us", 1, 0.5), 0.5, "goal"),
    ],
)
def test_verdicts(bar: Bar, ratio: float, verdict: str) -> None:
    assert bar.verdict(ratio) == verdict


def test_a_row_is_judged_by_the_median_of_ratios() -> None:
    row = Row("set 1x1", "port", "zookeeper", "per_s", (10.0, 90.0, 40.0), (10.0, 10.0, 20.0), Bar("per_s", 2, 5))
    assert row.ratios == (1, 9, 2) and row.ratio == 2 and row.verdict == "ok"
    shown = row.as_json()
    assert (shown["ratio"], shown["ratio_min"], shown["ratio_max"], shown["verdict"]) == (2, 1, 9, "ok")


# ---- turns

SET, GET = Load("set", 30, 16), Load("get", 1, 1)
FAST = Match(SET, "port", "zookeeper", (Bar("per_s", 2, 3),))
MATCHES = (FAST, Match(SET, "stream", "etcd", shown=("per_s",)), Match(GET, "port", "zookeeper", (Bar("per_s", 2, 3),)))


def test_everybody_is_asked_once_for_a_load() -> None:
    everybody = dict.fromkeys(("port", "zookeeper", "stream", "etcd"))
    turns = turns_of([*MATCHES, FAST], everybody)
    assert turns == [(name, SET) for name in everybody] + [("port", GET), ("zookeeper", GET)]
    assert turns_of(MATCHES, {"port": None, "stream": None, "etcd": None}) == [("stream", SET), ("etcd", SET)]


def test_who_fails_is_said_and_left_out() -> None:
    calls: list[tuple[str, Load]] = []

    def slow(load: Load) -> Figures:
        calls.append(("zookeeper", load))
        if len(calls) == 1:
            raise Stuck("it is away")
        return {"per_s": 100.0}

    reasons: list[str] = []
    players = {"port": lambda load: {"per_s": 250.0}, "zookeeper": slow}
    rounds = play("loads", MATCHES, players, 2, Say(), reasons)
    assert reasons == ["round 1, zookeeper, set 30x16: it is away"]
    rows = rows_of(MATCHES, rounds)
    assert [(row.load, row.ratios, row.verdict) for row in rows] == [
        ("set 30x16", (2.5,), "ok"),
        ("get 1x1", (2.5, 2.5), "ok"),
    ]


def test_the_matrix_has_what_must_hold() -> None:
    bars = {
        (str(match.load), match.ours, bar.figure): (bar.bar, bar.goal) for match in matrix.ALL for bar in match.bars
    }
    assert bars["set 200x1", "port", "per_s"] == (3, 4.7)
    assert bars["mix 30x16", "port", "writes_p99_us"] == (1, 0.5)
    assert bars["linear-get 30x16", "stream", "per_s"] == (3, 6)
    assert bars["leader kill to next write", "port", "s"] == (0.5, 0.25)
    assert len(bars) == 39


# ---- how it is shown

ROWS = [
    Row("set 30x16", "port", "zookeeper", "per_s", (80_000.0,), (20_000.0,), Bar("per_s", 3, 5)),
    Row("set 30x16", "port", "zookeeper", "p99_us", (30_000.0,), (20_000.0,), Bar("p99_us", 1, 0.5)),
    Row("set 30x16", "unary", "etcd", "per_s", (5.0,), (10.0,)),
]
REPORT = report.report_of(ROWS, machine="2 cores", settings={"port": "ours"}, rounds=1, seconds=2.0)


def test_cells() -> None:
    assert [report.cells(row) for row in REPORT["rows"]] == [
        ("set 30x16, port : zookeeper", "per second", "80,000/s", "20,000/s", "4.00 (4.00 to 4.00)", ">= 3", "5", "ok"),
        ("set 30x16, port : zookeeper", "p99", "30.0 ms", "20.0 ms", "1.50 (1.50 to 1.50)", "<= 1", "0.5", "missed"),
        ("set 30x16, unary : etcd", "per second", "5/s", "10/s", "0.50 (0.50 to 0.50)", "", "", ""),
    ]
    table = report.as_table(REPORT)
    assert (table.row_count, table.caption) == (3, "ours")


@pytest.mark.parametrize(
    ("figure", "value", "text"),
    [("s", 1.234, "1.23 s"), ("s", 0.0155, "15.5 ms"), ("p50_us", 94.26, "94.26 us"), ("mb", 612.4, "612 MB")],
)
def test_units(figure: str, value: float, text: str) -> None:
    assert report.shown(figure, value) == text


def test_only_what_is_between_the_markers_changes() -> None:
    document = (
        "a\n<!-- compare: short -->\nold\n<!-- compare: end -->\nb\n<!-- compare: machine -->\n<!-- compare: end -->\n"
    )
    filled = report.filled(document, REPORT)
    lines = filled.splitlines()
    assert lines[0] == "a" and lines[1] == "<!-- compare: short -->" and "b" in lines and "old" not in lines
    assert [line for line in lines if "80,000/s" in line] and "p99" not in filled and "unary" not in filled
    assert "- 2 cores\n- ours\n- 1 round of 2 s\n" in filled
    assert report.filled(filled, REPORT) == filled
    with pytest.raises(Stuck, match="no part named 'nothing'"):
        report.filled("<!-- compare: nothing -->\n<!-- compare: end -->", REPORT)


def test_what_is_measured_anew_replaces_what_is_kept() -> None:
    anew = report.report_of(ROWS[2:], machine="4 cores", settings={"etcd": "theirs"}, rounds=3, seconds=1.0)
    merged = report.merged(json.loads(json.dumps(REPORT)), anew)
    assert [row["player"] for row in merged["rows"]] == ["port", "port", "unary"]
    again = replace(ROWS[2], ours=(5.0, 6.0), theirs=(9.0, 10.0))
    twice = report.merged(merged, report.report_of([again], settings={}))
    assert "- 1 or 2 rounds of 1 s\n" in report.filled("<!-- compare: machine -->\n<!-- compare: end -->\n", twice)
    assert merged["machine"] == "4 cores" and merged["settings"] == {"port": "ours", "etcd": "theirs"}


def test_the_picture_shows_what_has_a_bar() -> None:
    drawn = ElementTree.fromstring(chart(REPORT["rows"]))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "set 30x16, port : zookeeper, per second" in texts and not any("unary" in str(text) for text in texts)
    dots = [dot for dot in drawn.iter("{http://www.w3.org/2000/svg}circle") if dot.get("fill") != "none"]
    assert float(dots[0].attrib["cx"]) > float(dots[1].attrib["cx"])  # 4 times better, and 1.5 times worse
    assert better({"figure": "p99_us"}, 0.5) == 2 and better({"figure": "per_s"}, 0.5) == 0.5
    assert ElementTree.fromstring(chart([])).tag.endswith("svg")


# ---- the command


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--rounds", "0"], "argument --rounds: expected 1 to 100"),
        (["--seconds", "x"], "argument --seconds: expected 0.1 to 600"),
        (["--dir", "/nowhere"], "argument --dir: there is no such folder"),
        (["--rivals", "consul"], "argument --rivals: invalid choice"),
        (["--parts", "none"], "argument --parts: invalid choice"),
    ],
)
def test_mistakes_are_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("carrier", ["fast", "grpc"])
def test_our_nodes_have_the_carrier_that_is_asked_for(carrier: str, tmp_path: Path) -> None:
    ours = Zooweeper(tmp_path, carrier)
    folders = [ours.ensemble.node_folder(node) for node in ours.ensemble.ids]
    assert [read_node(folder).lanes.carrier for folder in folders] == [carrier] * 3
    assert ours.settings.endswith(", peer_carrier grpc") == (carrier == "grpc")


def test_the_documents_are_of_the_usual_carrier(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "measure", lambda run, parts: pytest.fail("it measures"))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.compare(parser.parse_args(["--write-docs", "--carrier", "grpc"])) == 2
    told = "compare: the documents show what deploy.sh starts, not --carrier grpc\n"
    assert capsys.readouterr().err == told


def test_a_rival_that_does_not_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(run: object, parts: object) -> None:
        raise Stuck("etcd 1 has ended: oh")

    monkeypatch.setattr(command, "measure", fails)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.compare(parser.parse_args([])) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "compare: etcd 1 has ended: oh"


# ---- rivals


def test_what_is_missing_is_said_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "apt-get install etcd-server" in rivals.missing_etcd()
    assert "apt-get install nghttp2-client" in rivals.missing_h2load()
    assert "there is no java" in rivals.missing_zookeeper()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(rivals, "JARS", tmp_path / "none")
    monkeypatch.setattr(rivals, "DEBIAN_JARS", tmp_path)
    assert not rivals.missing_etcd() and not rivals.missing_h2load()
    assert "apt-get install zookeeper" in rivals.missing_zookeeper()
    for name in ("zookeeper-3.8.0.jar", "zookeeper-it.jar", "slf4j-api.jar", "zookeeper.jar", "netty-common.jar"):
        (tmp_path / name).touch()
    assert rivals.missing_zookeeper() == "" and rivals.zookeeper_version() == "3.8.0"
    assert [jar.name for jar in rivals.zookeeper_jars()] == ["netty-common.jar", "slf4j-api.jar", "zookeeper.jar"]


@pytest.mark.parametrize(("used_s", "looks"), [([0, 0], 1), ([0, 9, 18, 18, 18], 3), (range(999), 25)])
def test_a_load_begins_when_all_have_come_to_rest(used_s: Any, looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, used = [0.0], iter(used_s)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(arena, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    monkeypatch.setattr(arena, "cpu_seconds", lambda pids: next(used))
    servers: Any = {"a": SimpleNamespace(pids=[1]), "b": SimpleNamespace(pids=[2, 3])}
    said: list[str] = []
    say: Any = SimpleNamespace(line=said.append)
    player = arena.rested(lambda load: {"per_s": float(len(slept))}, servers, say)
    assert player(Load("set", 1, 1)) == {"per_s": looks}, "not before, and not for ever"
    assert len(said) == (looks * arena.REST_S >= arena.REST_MOST_S), "and not in silence"
