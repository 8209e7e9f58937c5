"""What every face of the client must do, in front of a real node: each check is run on all of them.

Rules: checks speak the asyncio face's language; a blocking face is wrapped (see tests/client/test_faces.py).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from zooweeper_client import Acl, ClientState, EventType, Id, Perm
from zooweeper_client.acls import CREATOR_ALL_ACL, READ_ACL_UNSAFE, make_digest
from zooweeper_client.exceptions import (
    BadArguments,
    BadVersion,
    InvalidAcl,
    NewConfigNoQuorum,
    NoAuth,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotConnected,
    NotEmpty,
    TooLarge,
)

SUPER = "super:secret"
Open = Callable[..., Any]  # (chroot or options) -> a client in `async with`


async def check_data(open: Open) -> None:
    async with open() as zk:
        assert zk.connected and zk.state is ClientState.CONNECTED and zk.session
        assert await zk.create("/data", b"one") == "/data"
        data, stat = await zk.get("/data")
        assert (data, stat.version, stat.data_length) == (b"one", 0, 3)
        assert (await zk.set("/data", b"two")).version == 1
        assert (await zk.set("/data", b"three", version=1)).version == 2
        with pytest.raises(BadVersion) as raised:
            await zk.set("/data", b"no", version=1)
        assert raised.value.path == "/data"
        assert (await zk.get("/data", consistency="linearizable"))[0] == b"three"
        assert (await zk.exists("/data")).version == 2
        assert await zk.exists("/none") is None
        for verb in (zk.get, zk.delete, zk.get_children, zk.get_acls, zk.count):
            with pytest.raises(NoNode):
                await verb("/none")
        with pytest.raises(BadVersion):
            await zk.delete("/data", version=7)
        await zk.delete("/data", version=2)
        await zk.sync()
        assert await zk.exists("/data", consistency="linearizable") is None


async def check_create(open: Open) -> None:
    async with open() as zk:
        path, stat = await zk.create("/made/by/path", b"x", makepath=True, include_stat=True)
        assert (path, stat.version) == ("/made/by/path", 0)
        with pytest.raises(NodeExists):
            await zk.create("/made/by/path")
        with pytest.raises(NoNode):
            await zk.create("/made/not/there")
        names = [await zk.create("/made/n-", sequence=True) for _ in range(3)]
        assert names == sorted(names) and all(len(name) == len("/made/n-") + 10 for name in names)
        assert (await zk.create("/made/", sequence=True)).startswith("/made/0")
        mine, stat = await zk.create("/made/mine", ephemeral=True, include_stat=True)
        assert stat.ephemeral_owner == zk.session
        assert await zk.get_ephemerals() == [mine]
        with pytest.raises(NoChildrenForEphemerals):
            await zk.create("/made/mine/child")
        await zk.create("/made/box", container=True)
        await zk.create("/made/short", ttl=3600)
        await zk.ensure_path("/made/sure/of/it")
        await zk.ensure_path("/made/sure/of/it")
        assert await zk.exists("/made/sure/of/it") is not None


async def check_children(open: Open) -> None:
    async with open() as zk:
        for at in range(25):
            await zk.create(f"/c/{at:02}", b"v%d" % at, makepath=True)
        await zk.create("/c/07/deep/er", makepath=True)
        names = [f"{at:02}" for at in range(25)]
        assert sorted(await zk.get_children("/c")) == names
        found, stat = await zk.get_children("/c", include_data=True)
        assert sorted(found) == names and stat.num_children == 25
        assert [node.path async for node in zk.list("/c", page=4)] == names
        assert [node.path async for node in zk.list("/c", page=4, after=names[2])] == names[3:]
        rows = [node async for node in zk.list("/c", page=10, with_data=True, with_stat=True)]
        assert [row.data for row in rows] == [b"v%d" % at for at in range(25)]
        assert rows[7].stat.num_children == 1
        below = [node.path async for node in zk.walk("/c", page=3)]
        assert below == [f"/c/{name}" for name in names[:8]] + ["/c/07/deep", "/c/07/deep/er"] + [
            f"/c/{name}" for name in names[8:]
        ]
        assert await zk.count("/c") == 27
        with pytest.raises(NotEmpty):
            await zk.delete("/c")
        await zk.delete("/c", recursive=True)
        assert await zk.exists("/c") is None


async def check_transactions(open: Open) -> None:
    async with open() as zk:
        async with zk.transaction() as t:
            t.create("/t", b"1").create("/t/n-", sequence=True).check("/t", version=0)
            t.set("/t", b"2", version=0)
            t.delete("/t/n-0000000000")
        assert t.results[:3] == ["/t", "/t/n-0000000000", None]
        assert t.results[3].version == 1
        with pytest.raises(BadVersion) as raised:
            async with zk.transaction() as t:
                t.create("/t/new")
                t.set("/t", b"3", version=9)
                t.delete("/t")
        assert raised.value.path == "/t" and "part 2 of 3" in str(raised.value)
        assert await zk.exists("/t/new") is None
        with pytest.raises(RuntimeError, match="left by"):
            async with zk.transaction() as t:
                t.delete("/t")
                raise RuntimeError("left by an error, so not committed")
        found, children = await zk.multi_read(get=["/t", "/none"], children=["/t"])
        assert found[0][0] == b"2" and isinstance(found[1], NoNode) and children == [[]]


async def check_identities(open: Open) -> None:
    async with open(auth=[("digest", "anna:secret")]) as anna, open() as other:
        assert ("digest", "anna") in await anna.whoami()
        assert [scheme for scheme, _ in await other.whoami()] == ["ip"]
        await anna.create("/hers", b"x", acl=CREATOR_ALL_ACL)
        for refused in (other.get("/hers"), other.set("/hers", b""), other.create("/hers/x")):
            with pytest.raises(NoAuth):
                await refused
        await other.add_auth("digest", "anna:secret")
        assert (await other.get("/hers"))[0] == b"x"
        acls, stat = await anna.get_acls("/hers")
        assert acls == [Acl(Perm.ALL, Id("digest", make_digest("anna", "secret")))] and stat.aversion == 0
        assert (await anna.set_acls("/hers", READ_ACL_UNSAFE, version=0)).aversion == 1
        with pytest.raises(NoAuth):
            await anna.set("/hers", b"y")
        with pytest.raises(InvalidAcl):
            await other.create("/bad", acl=[])
        await anna.delete("/hers")


async def check_bad_arguments(open: Open) -> None:
    async with open() as zk:
        for path in ("", "x", "//", "/x/", "/a//b", "/a/../b", "/a\x00b"):
            with pytest.raises(BadArguments):
                await zk.get(path)
            with pytest.raises(BadArguments):
                await zk.create(path)
        for wrong in ({"container": True, "sequence": True}, {"ttl": 1, "ephemeral": True}):
            with pytest.raises(BadArguments):
                await zk.create("/x", **wrong)
        with pytest.raises(BadArguments):
            await zk.create("/x", "text")
        with pytest.raises(BadArguments):
            await zk.delete("/")
        with pytest.raises(TooLarge):
            await zk.create("/x", b"x" * 2_000_000)
        with pytest.raises(TooLarge):
            await zk.create("/" + "x" * 5000)
        with pytest.raises(ValueError, match="consistency"):
            await zk.get("/", consistency="strong")
        await zk.create("/fine", b"y" * 1_000_000)
        assert len((await zk.get("/fine"))[0]) == 1_000_000


async def _come(events: list[Any], count: int) -> None:
    """Handlers run before the next answer is given; of the blocking client in a thread of their own, and so later."""
    async with asyncio.timeout(5):
        while len(events) < count:
            await asyncio.sleep(0.01)


async def check_one_shot_watches(open: Open) -> None:
    async with open() as zk:
        seen: list[Any] = []
        await zk.create("/w", b"")
        await zk.get("/w", watch=seen.append)
        await zk.get_children("/w", watch=seen.append)
        await zk.exists("/w/later", watch=seen.append)
        await zk.create("/w/later")
        await zk.set("/w", b"1")
        await zk.set("/w", b"2")
        await _come(seen, 3)
        await zk.get("/w")
        assert [(event.type, event.path) for event in seen] == [
            (EventType.CREATED, "/w/later"),
            (EventType.CHILD, "/w"),
            (EventType.CHANGED, "/w"),
        ]


async def check_lasting_watches(open: Open) -> None:
    async with open() as zk, open() as other:
        async with zk.watch("/r", recursive=True) as below, zk.watch("/r") as only:
            await other.create("/r")
            await other.create("/r/x")
            await other.set("/r/x", b"1")
            await other.delete("/r/x")
            got = [await anext(below) for _ in range(4)]
            assert [(event.type, event.path) for event in got] == [
                (EventType.CREATED, "/r"),
                (EventType.CREATED, "/r/x"),
                (EventType.CHANGED, "/r/x"),
                (EventType.DELETED, "/r/x"),
            ]
            assert [event.zxid for event in got] == sorted(event.zxid for event in got)
            assert [(await anext(only)).type for _ in range(3)] == [
                EventType.CREATED,
                EventType.CHILD,
                EventType.CHILD,
            ]
        async with zk.watch("/r", recursive=True, events_max=3) as slow:
            for _ in range(10):
                await other.set("/r", b"")
            await zk.sync()
            await zk.get("/r")
            last = [await anext(slow)]
            assert last[0].type is EventType.GAP
            assert (await other.get("/r"))[1].mzxid >= last[0].zxid


async def check_chroot(open: Open) -> None:
    async with open(chroot="/deep/root") as rooted, open() as plain:
        await rooted.ensure_path("/")
        async with rooted.watch("/", recursive=True) as events:
            assert await rooted.create("/a/b", makepath=True) == "/a/b"
            assert [(await anext(events)).path for _ in range(2)] == ["/a", "/a/b"]
        assert await plain.exists("/deep/root/a/b") is not None
        assert await rooted.get_children("/") == ["a"]
        assert [node.path async for node in rooted.walk("/")] == ["/a", "/a/b"]
        assert await rooted.create("/e-", ephemeral=True, sequence=True) == "/e-0000000001"
        assert await rooted.get_ephemerals() == ["/e-0000000001"]
        async with rooted.transaction() as t:
            t.create("/in")
        assert t.results == ["/in"]
        with pytest.raises(NoNode) as raised:
            await rooted.get("/none")
        assert raised.value.path == "/none"


async def check_sessions(open: Open) -> None:
    async with open() as zk:
        await zk.create("/gone", ephemeral=True)
    with pytest.raises(NotConnected):
        await zk.get("/gone")
    async with open() as zk:
        assert await zk.exists("/gone") is None
        await zk.create("/stays", ephemeral=True)
        kept = zk.client_id
        await zk.close(keep_session=True)
    async with open(client_id=kept) as heir:
        assert heir.client_id == kept
        assert (await heir.exists("/stays")).ephemeral_owner == heir.session
        assert str(kept[1]) not in repr(heir)
        await heir.create("/more", ephemeral=True)


async def check_limits_of_one_step(open: Open) -> None:
    async with open() as zk:
        with pytest.raises(TooLarge):
            async with zk.transaction() as t:
                for at in range(1025):
                    t.create(f"/m{at}")
        with pytest.raises(TooLarge):
            await zk.multi_read(get=["/"] * 1025)
        assert await zk.get_children("/") == ["zookeeper"]


async def check_membership(open: Open) -> None:
    joining = "server.9=10.0.0.9:7:8:observer"
    async with open(chroot="/deep", auth=[("digest", SUPER)]) as zk, open() as anybody:
        text, stat = await zk.get_config()
        assert text.startswith(b"server.1=") and text.endswith(b"version=%x" % stat.mzxid) and stat.version == -1
        assert await anybody.get("/zookeeper/config") == (text, stat)
        with pytest.raises(NoAuth):
            await anybody.reconfig(joining=joining)
        events: list[Any] = []
        await zk.get_config(events.append, consistency="linearizable")
        changed, after = await zk.reconfig(joining=joining, from_config=stat.mzxid)
        assert joining.encode() in changed and await zk.get_config() == (changed, after)
        await _come(events, 1)
        assert [(event.type, event.path) for event in events] == [(EventType.CHANGED, "/zookeeper/config")]
        for refused, words in (
            (BadVersion, {"leaving": "9", "from_config": stat.mzxid}),
            (BadArguments, {"joining": "server.9=nonsense"}),
            (BadArguments, {"leaving": "1"}),
            (NewConfigNoQuorum, {"joining": joining.replace("observer", "participant")}),
        ):
            with pytest.raises(refused):
                await zk.reconfig(**words)
        whole = "\n".join(line for line in text.decode().splitlines() if not line.startswith("version"))
        last, _ = await zk.reconfig(new_members=whole, from_config=after.mzxid)
        assert b"server.9" not in last


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
