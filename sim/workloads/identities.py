"""Identities and ACLs: who has proved to be whom, lists that change, and everything that may then be seen or done.

Judged by the replay: the model knows the lists and the identities of every moment, and says for every read, write and
event whether it was allowed.
"""

from random import Random

from sim.workloads.base import Workload
from zooweeper.model.acl import ANYONE, Acl, Id
from zooweeper.ops.data import GetAcl, GetData, SetAcl, SetData
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi, MultiRead, Part
from zooweeper.ops.read import Exists, GetChildren2, ListSubtree, WhoAmI

PEOPLE = ("ann", "bob")
MINE = Acl(31, Id("auth", ""))
LISTS = (
    [MINE, Acl(1, ANYONE)],
    [MINE, Acl(17, Id("digest", "bob:proven"))],
    [Acl(31, Id("digest", "ann:proven")), Acl(23, Id("digest", "bob:proven"))],
    [Acl(31, Id("digest", "ann:proven")), Acl(1, Id("digest", "bob:proven"))],
    [Acl(31, ANYONE)],
    [Acl(13, Id("digest", "bob:proven")), Acl(16, ANYONE)],
)


class Identities(Workload):
    name = "identities"
    roots = ("/identities/a", "/identities/b", "/identities/c")

    def act(self, chance: Random) -> None:
        if chance.random() < 0.15:  # once a session; who has not is nobody
            self.client.identify(chance.choice(PEOPLE))
        chance.choice(DOINGS)(self, chance.choice(self.roots), chance)

    def _create(self, path: str, chance: Random) -> None:
        self.create(path, self.value(), acl=chance.choice(LISTS))

    def _below(self, path: str, chance: Random) -> None:
        self.create(f"{path}/x", self.value(), acl=chance.choice(LISTS))

    def _set(self, path: str, chance: Random) -> None:
        self.ask(SetData, path, SetData.Request(path, self.value(), -1))

    def _get(self, path: str, chance: Random) -> None:
        self.ask(GetData, path, GetData.Request(path, chance.random() < 0.5))

    def _set_acl(self, path: str, chance: Random) -> None:
        self.ask(SetAcl, path, SetAcl.Request(path, chance.choice(LISTS), chance.choice((-1, -1, -1, 0))))

    def _get_acl(self, path: str, chance: Random) -> None:
        self.ask(GetAcl, path, GetAcl.Request(path), linear=chance.random() < 0.3)

    def _delete(self, path: str, chance: Random) -> None:
        target = chance.choice((path, f"{path}/x", f"{path}/x"))
        self.ask(Delete, target, Delete.Request(target, -1))

    def _look(self, path: str, chance: Random) -> None:
        if chance.random() < 0.5:
            self.ask(Exists, path, Exists.Request(path, chance.random() < 0.5))
        else:
            self.ask(GetChildren2, path, GetChildren2.Request(path, chance.random() < 0.5))

    def _list(self, path: str, chance: Random) -> None:
        request = ListSubtree.Request(self.root, "", 0, True, True)
        self.ask(ListSubtree, self.root, request)

    def _whoami(self, path: str, chance: Random) -> None:
        self.ask(WhoAmI, "", WhoAmI.Request())

    def _several(self, path: str, chance: Random) -> None:
        paths = self.roots
        if chance.random() < 0.5:
            self.ask(MultiRead, "", MultiRead.Request([Part(GetData.code, GetData.Request(one)) for one in paths]))
        else:
            parts = [Part(SetData.code, SetData.Request(one, self.value(), -1)) for one in paths[:2]]
            self.ask(Multi, "", Multi.Request(parts))


DOINGS = (
    Identities._create,
    Identities._below,
    Identities._set,
    Identities._set,
    Identities._get,
    Identities._get,
    Identities._set_acl,
    Identities._set_acl,
    Identities._get_acl,
    Identities._delete,
    Identities._look,
    Identities._list,
    Identities._whoami,
    Identities._several,
)
