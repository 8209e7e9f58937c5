"""Troubles of the membership: a node loses its vote for a while, or goes and comes back as one that knows nothing.

Rules: those of troubles.py. The ensemble is asked as an operator asks it, by the client library, as the super user; a
membership that it has taken is evidence, and so is what becomes of the node.
"""

import secrets
import shutil
import time
from dataclasses import dataclass, replace

from zooweeper_client import Client

from tests.robustness.bed import Bed
from tests.robustness.troubles import Site, running
from zooweeper.cli.settings import SUPER_FILE, read_credential
from zooweeper.model.errors import NewConfigNoQuorum
from zooweeper.model.members import Membership, of_settings, parse
from zooweeper.storage.disk import OsDisk
from zooweeper.storage.folder import format_folder

CHANGE_S = 30.0
POLL_S = 0.05


def change(bed: Bed, joining: str = "", leaving: str = "") -> Membership:
    """One change, as soon as the leader takes it."""
    credential = read_credential(bed.ensemble.folder / SUPER_FILE)
    deadline = time.monotonic() + CHANGE_S
    with Client(bed.ensemble.hosts, auth=[("digest", credential)]) as client:
        while True:
            try:
                return parse(client.reconfig(joining, leaving)[0].decode())
            except NewConfigNoQuorum:  # somebody has not caught up yet
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)


def line(bed: Bed, node: int, observer: bool) -> str:
    """A node as the membership names it."""
    (server,) = of_settings([bed.ensemble.member(node)]).servers
    return str(replace(server, observer=observer))


def role(bed: Bed, node: int) -> str:
    """What it does at present; empty unless it serves."""
    return next((row.role for row in bed.rows() if row.id == node and row.serving), "")


@dataclass
class VoteTaken:
    """The victim observes for a while."""

    site: Site
    membership: Membership | None = None

    def begin(self) -> None:
        (victim,) = self.site.victims
        self.membership = change(self.site.bed, joining=line(self.site.bed, victim, observer=True))

    def bites(self) -> str:
        (victim,) = self.site.victims
        assert self.membership is not None
        observes = victim in self.membership.observers and role(self.site.bed, victim) == "observer"
        return f"node {victim} observes" if observes else ""

    def end(self) -> None:
        (victim,) = self.site.victims
        self.membership = change(self.site.bed, joining=line(self.site.bed, victim, observer=False))

    def over(self) -> str:
        (victim,) = self.site.victims
        assert self.membership is not None
        votes = victim in self.membership.voters and role(self.site.bed, victim) in ("leader", "follower")
        return running(self.site.bed, self.site.bed.ids) if votes else ""


@dataclass
class Replaced:
    """The victim is removed, and ends by itself; then it joins again with nothing in its folder."""

    site: Site
    log_size: int = 0
    membership: Membership | None = None

    def begin(self) -> None:
        (victim,) = self.site.victims
        self.log_size = self.site.bed.log_size(victim)
        self.membership = change(self.site.bed, leaving=str(victim))

    def bites(self) -> str:
        (victim,) = self.site.victims
        bed = self.site.bed
        left = bed.ensemble.pid(victim) is None and "goes on without" in bed.log_since(victim, self.log_size)
        return f"node {victim} was removed, and ended" if left else ""

    def end(self) -> None:
        (victim,) = self.site.victims
        bed = self.site.bed
        bed.ensemble.kill(victim)  # where it does not know that it may go
        data = bed.data_folder(victim)
        for path in data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        disk = OsDisk(data)
        format_folder(disk, bed.ensemble.cluster, victim, secrets.token_bytes(16), voting=False)
        disk.close()
        bed.start((victim,))
        self.membership = change(bed, joining=line(bed, victim, observer=True))

    def over(self) -> str:
        (victim,) = self.site.victims
        bed = self.site.bed
        assert self.membership is not None
        if victim in self.membership.observers and role(bed, victim) == "observer":
            self.membership = change(bed, joining=line(bed, victim, observer=False))
        votes = victim in self.membership.voters and role(bed, victim) in ("leader", "follower")
        return running(bed, bed.ids) if votes else ""
