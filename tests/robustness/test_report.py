"""The report stands alone, shows what was found, and is what the exit code is read from."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.robustness.gates import Verdict
from tests.robustness.report import HTML_NAME, verdict_in, write
from tests.robustness.test_gates import blunt, good


def test_it_is_one_file_without_anything_from_elsewhere(tmp_path: Path) -> None:
    write(good(), tmp_path)
    html = (tmp_path / HTML_NAME).read_text()
    assert not re.search(r"(src|href)=|@import|url\(|<script", html)
    assert html.count("<svg") == 1 and "leader killed" in html and "PASS" in html


def test_the_picture_is_well_formed_and_inside_its_frame(tmp_path: Path) -> None:
    write(good(), tmp_path)
    html = (tmp_path / HTML_NAME).read_text()
    picture = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    boxes = picture.findall("rect")
    assert len(boxes) > 14 and picture.findall("polyline")
    for box in boxes:
        x, y, wide, high = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert x >= 0 and y >= 0 and x + wide <= width and y + high <= height


def test_what_nodes_say_cannot_become_markup(tmp_path: Path) -> None:
    facts = good()
    facts.violations = ["reads: <b>&"]
    facts.strikes[0].evidence = "<i>"
    write(facts, tmp_path)
    html = (tmp_path / HTML_NAME).read_text()
    assert "&lt;b&gt;&amp;" in html and "<i>" not in html


def test_the_verdict_is_read_from_the_file(tmp_path: Path) -> None:
    assert verdict_in(write(good(), tmp_path)) is Verdict.PASS
    facts = good()
    blunt(facts)
    path = write(facts, tmp_path)
    assert verdict_in(path) is Verdict.INVALID
    assert json.loads(path.read_text())["strikes"][0]["fault"] == "leader killed"


@pytest.mark.parametrize("text", ["", "{}", '{"verdict": "green"}'])
def test_a_report_that_says_nothing_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises((ValueError, KeyError)):
        verdict_in(path)
