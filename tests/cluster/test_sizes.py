"""The curves of cost against size, at their small ends."""

import json

import pytest

from bench import sizes
from bench.say import Say

SMALL = {"nodes": 3, "znodes": 1000, "values": 100, "children": 100, "watches": 100}


@pytest.mark.parametrize("name", sizes.CURVES)
def test_a_curve(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SECONDS", 0.1)
    monkeypatch.setattr(sizes, "WARM_UP_S", 0.02)
    monkeypatch.setattr(sizes, "RUNS", 1)
    found = sizes.measure(Say(), [name], SMALL[name])
    points = found[name]
    assert [size for size, _ in points] == [size for size in sizes.CURVES[name].sizes if size <= SMALL[name]]
    assert all(value > 0 for _, figures in points for key, value in figures.items() if "cpu" not in key), points
    rows = sizes.tables(found).splitlines()
    assert len(rows) == 1 + len(points) and "cpu us, ratio" in rows[0]
    assert len(json.loads(sizes.as_json(found))[name]) == len(points)
    drawn = sizes.plot(name, points)
    assert drawn.startswith("<svg") and drawn.count("<polyline") == sum(
        key.endswith(("cpu us", sizes.CURVES[name].second[1])) for key in points[0][1]
    )
