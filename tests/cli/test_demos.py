"""The demos, short: leaders die while real work goes on, and everything is read back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zooweeper.cli import main, scores
from zooweeper.cli.screen import Stage

REAL = Path(__file__).parents[2] / "data" / "math_achievement.csv"


def result_of(out: str, what: str) -> str:
    return next(line.split("  ")[-1].strip() for line in out.splitlines() if line.strip().startswith(what))


def test_killing_the_leader_loses_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(["demo", "kill-leader", "--seconds", "4", "--every", "1"]) == 0
    out = capfd.readouterr().out
    assert int(result_of(out, "leaders killed")) >= 1
    assert int(result_of(out, "acknowledged writes")) > 50
    assert result_of(out, "acknowledged writes lost") == "0"
    assert result_of(out, "writes done twice") == "0"
    assert "3 of 3 at zxid" in result_of(out, "replicas")


def test_scores_end_in_the_order_of_the_file(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = REAL.read_text().splitlines()[:600]
    (tmp_path / "some.csv").write_text("\n".join(lines))
    count = len(scores.read_scores(tmp_path / "some.csv"))
    assert main.run(["demo", "scores", str(tmp_path / "some.csv"), "--every", "1", "--rate", "300"]) == 0
    out = capfd.readouterr().out
    assert int(result_of(out, "leaders killed")) >= 1
    assert int(result_of(out, "retries, the version was another's")) > 0
    assert result_of(out, "lists equal to the file's") == f"{count} of {count}"
    assert result_of(out, "acknowledged writes lost") == result_of(out, "scores duplicated") == "0"


def test_a_demo_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "zooweeper", "demo", "kill-leader", "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert demo.stdout is not None and b"3 nodes at" in demo.stdout.readline()
    (folder,) = tmp_path.iterdir()
    pids = [int(path.read_text()) for path in folder.glob("node-*/pid")]
    demo.send_signal(signal.SIGTERM)
    _, err = demo.communicate(timeout=30)
    assert demo.returncode == 130 and b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    assert len(pids) == 3 and not any(Path(f"/proc/{pid}").exists() for pid in pids)


ENDED_EARLY = """
import asyncio, os, signal, sys, threading, time
from zooweeper.cli import demo

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()  # signals may come to any thread
make = asyncio.events.new_event_loop

def make_late():
    came, handler = [], signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *what: (handler(*what), came.append(what)))
    os.kill(os.getpid(), signal.SIGTERM)
    while not came:  # through whichever thread; a wait without end would not let Python run the handler, in this one
        time.sleep(0.01)
    signal.signal(signal.SIGTERM, handler)
    return make()

class Screen:
    def tell(self, line): print(line)

async def act(ensemble, screen):
    await asyncio.sleep(60)

asyncio.events.new_event_loop = make_late
sys.exit(demo.play(None, 1, act, Screen()))
"""


def test_a_demo_that_is_ended_while_its_loop_is_made_says_nothing_of_it(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-c", ENDED_EARLY], capture_output=True, env=os.environ | {"TMPDIR": str(tmp_path)}, timeout=30
    )
    assert demo.returncode == 130 and b"1 nodes at" in demo.stdout and demo.stderr == b""
    assert list(tmp_path.iterdir()) == []


def test_a_count_that_begins_anew_has_no_rate_below_zero() -> None:
    stage = Stage()
    stage.rate(7185)
    assert stage.rate(795) > 0
