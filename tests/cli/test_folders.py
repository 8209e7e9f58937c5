"""An ensemble's folder without its processes: the password, observers, nodes that join and leave."""

import json
from pathlib import Path

import pytest

from zooweeper.cli import ports, settings
from zooweeper.cli.ensemble import Ensemble, EnsembleError
from zooweeper.doors.identify import identify
from zooweeper.model.acl import Id
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import read_identity
from zooweeper.storage.storage import Storage


@pytest.fixture
def made(tmp_path: Path) -> Ensemble:
    return Ensemble.create(tmp_path / "e", 1, ports.free_base_port(4), observers=1)


def test_every_node_knows_the_super_user_by_a_password_of_this_ensemble(made: Ensemble, tmp_path: Path) -> None:
    path = made.folder / settings.SUPER_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    credential = settings.read_credential(path)
    member = made.join()
    for node in (1, 2, member.id):
        config = settings.read_node(made.node_folder(node))
        assert identify("digest", credential.encode(), config.super_digest) == Id("super", "")
        assert credential.partition(":")[2] not in (made.node_folder(node) / settings.NODE_FILE).read_text()
    other = Ensemble.create(tmp_path / "other", 1, ports.free_base_port(1))
    assert settings.read_credential(other.folder / settings.SUPER_FILE) != credential


def test_observers_stand_behind_the_voters(made: Ensemble) -> None:
    assert [(one.id, one.observer) for one in Ensemble.open(made.folder).members] == [(1, False), (2, True)]
    assert settings.read_node(made.node_folder(2)).voters == (1,)


def test_a_joiner_has_no_vote_and_the_next_ports(made: Ensemble) -> None:
    member = made.join(observer=True)
    assert (member.id, member.observer, member.wire.port) == (3, True, made.member(1).wire.port + 2)
    assert Ensemble.open(made.folder).ids == made.ids == (1, 2, 3)
    config = settings.read_node(made.node_folder(3))
    assert config.members == made.members
    disk = OsDisk(Path(config.data_dir))
    storage, recovered = Storage.open(disk, read_identity(disk, made.cluster, 3))
    storage.close()
    assert not recovered.voting


def test_who_leaves_is_set_aside_with_its_data(made: Ensemble) -> None:
    aside = made.leave(2)
    assert (aside / settings.DATA_FOLDER).is_dir() and aside.name.startswith("removed-2-")
    assert Ensemble.open(made.folder).ids == (1,)
    assert made.join().id == 2
    with pytest.raises(EnsembleError, match="no node 9"):
        made.leave(9)


def test_a_folder_of_an_earlier_version_has_no_super_user(made: Ensemble) -> None:
    (made.folder / settings.SUPER_FILE).unlink()
    member = made.join()
    assert "super_digest" not in json.loads((made.node_folder(member.id) / settings.NODE_FILE).read_text())
