"""Many nodes as bytes, column by column: what takes one step per column is not done for each node.

Rules: a block stands alone. Siblings that follow each other are a run, which tells their parent's path once. Read back,
equal numbers that were one object are one object again: a million nodes that nobody has written since they were made
are the rule. ValueError for what is no such block; whether the runs make a tree is not judged here.

    block  := nodes u32, runs u32, bytes of the traits u32, of the prefixes u32, of the names u32, then the columns:
              nodes of a run u32; length of the data i32 (-1: null), czxid i64, mzxid i64, pzxid i64, ctime i64,
              mtime i64, version i32, cversion i64, place of the traits u32; the traits as a record; the runs' prefixes
              (the parent's path with a slash behind; of the root nothing) and the names, a NUL between; the data
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple

from zooweeper.codec.record import Int, Long, Record, Vector
from zooweeper.model.acl import Acl
from zooweeper.model.stat import Family, Traits, Znode
from zooweeper.tree.digest import TraitsTable

Row = tuple[Any, ...]
"""prefix, name, data, czxid, mzxid, pzxid, ctime, mtime, version, cversion, traits: as they are at that moment."""

_HEAD = Struct("!IIIII")
_FORMATS = "iqqqqqiqI"  # of the columns of numbers
_NODE_BYTES_MIN = Struct("!" + _FORMATS).size


class Run(NamedTuple):
    """Some children of one node."""

    prefix: str
    names: Sequence[str]
    nodes: Sequence[Znode]


class _Traits(Record):
    acl: Vector[Acl]
    owner: Long
    aversion: Int


class _Table(Record):
    traits: Vector[_Traits]


def row_of(prefix: str, name: str, node: Znode) -> Row:
    """What a block says of a node."""
    family, czxid = node.family, node.czxid
    if family is None:
        return (prefix, name, node.data, czxid, node.mzxid, czxid, node.ctime, node.mtime, node.version, 0, node.traits)
    return (
        prefix, name, node.data, czxid, node.mzxid, family.pzxid, node.ctime, node.mtime, node.version,
        family.cversion, node.traits,
    )  # fmt: skip


def pack_nodes(rows: list[Row]) -> bytes:
    """The block of some nodes, one at least."""
    prefixes, names, data, *numbers, traits = zip(*rows, strict=True)
    count = len(rows)
    if prefixes.count(prefixes[0]) == count:
        runs = [(prefixes[0], count)]
    else:
        runs = [(prefix, len(list(run))) for prefix, run in groupby(prefixes)]
    if traits.count(traits[0]) == count:  # equal ones are one object
        shared, places = [traits[0]], [0] * count
    else:
        ids = [*map(id, traits)]
        known = dict(zip(ids, traits, strict=True))
        shared, place = [*known.values()], {one: place for place, one in enumerate(known)}
        places = [place[one] for one in ids]
    lengths = [-1 if one is None else len(one) for one in data]
    table = _Table([_Traits(list(one.acl), one.owner, one.aversion) for one in shared]).encode()
    above, text = "\0".join(map(itemgetter(0), runs)).encode(), "\0".join(names).encode()
    columns = [lengths, *numbers, places]
    return b"".join(
        (
            _HEAD.pack(count, len(runs), len(table), len(above), len(text)),
            Struct(f"!{len(runs)}I").pack(*map(itemgetter(1), runs)),
            *(Struct(f"!{count}{format}").pack(*column) for format, column in zip(_FORMATS, columns, strict=True)),
            table,
            above,
            text,
            *filter(None, data),
        )
    )


def unpack_nodes(block: bytes, known: TraitsTable) -> Iterator[Run]:
    """The runs of a block. ValueError, struct.error, MarshallingError: it is none."""
    count, runs, table_bytes, above_bytes, text_bytes = _HEAD.unpack_from(block)
    if not 0 < count * _NODE_BYTES_MIN + runs * 4 <= len(block):
        raise ValueError("snapshot: more nodes than there is room for")
    at = _HEAD.size
    columns = []
    for length, format in ((runs, "I"), *((count, format) for format in _FORMATS)):
        column = Struct(f"!{length}{format}")
        columns.append(column.unpack_from(block, at))
        at += column.size
    members, lengths, *numbers, places = columns
    table = _Table.decode(block[at : at + table_bytes]).traits
    traits = [known.of(tuple(one.acl), one.owner, one.aversion) for one in table]
    at += table_bytes
    prefixes = block[at : at + above_bytes].decode().split("\0")
    at += above_bytes
    names = block[at : at + text_bytes].decode().split("\0")
    at += text_bytes
    if (len(names), len(prefixes), sum(members), max(places) < len(traits)) != (count, runs, count, True):
        raise ValueError("snapshot: nodes, names and traits do not fit each other")
    if at + sum(lengths) + lengths.count(-1) != len(block) or min(lengths) < -1:
        raise ValueError("snapshot: data of other lengths than told")
    nodes = _nodes(_cut(block, at, lengths), numbers, map(traits.__getitem__, places))
    start = 0
    for prefix, number in zip(prefixes, members, strict=True):
        yield Run(prefix, names[start : start + number], nodes[start : start + number])
        start += number


def _cut(block: bytes, at: int, lengths: Iterable[int]) -> list[bytes | None]:
    data: list[bytes | None] = []
    for length in lengths:
        if length < 0:
            data.append(None)
        else:
            data.append(block[at : at + length])
            at += length
    return data


def _nodes(data: list[bytes | None], numbers: list[tuple[int, ...]], traits: Iterable[Traits]) -> list[Znode]:
    nodes = []
    time_ms = 0
    for content, czxid, mzxid, pzxid, ctime, mtime, version, cversion, common in zip(
        data, *numbers, traits, strict=True
    ):
        if ctime != time_ms:
            time_ms = ctime
        node = Znode(content, common, czxid, time_ms)
        if mzxid != czxid:
            node.mzxid = mzxid
        if mtime != ctime:
            node.mtime = mtime
        if version:
            node.version = version
        if cversion or pzxid != czxid:
            node.family = Family(pzxid, cversion)
        nodes.append(node)
    return nodes
