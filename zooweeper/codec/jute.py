"""The types of ZooKeeper's encoding, each as the few lines of Python that read and write it.

Rules: big-endian, no tags, no alignment. Length -1 is null, and null is not empty; a null list reads as an empty one.
Nothing is allocated before its bytes are known to be there. codec/record.py turns these lines into one function per
record, made once when its class is made: no type is looked up while bytes are read.
"""

from struct import Struct
from typing import Any

from zooweeper.model.acl import OPEN, Acl, Id
from zooweeper.model.errors import MarshallingError
from zooweeper.model.stat import STAT, Stat

INT = Struct("!i")
NULL = INT.pack(-1)  # the length of what is not there
OPEN_ROWS = b"\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone"
LENGTHS = ["\0\0\0" + chr(length) for length in range(128)]  # the bytes of a length are ASCII, as far as here


def short() -> MarshallingError:
    """A length or count that the bytes at hand cannot hold."""
    return MarshallingError("a length runs past the end of the record")


class Source:
    """Lines of Python in the making, and the names they use."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"unpack_int": INT.unpack_from, "pack_int": INT.pack, "short": short}
        self.indent = "    "
        self._unique = 0

    def put(self, *lines: str) -> None:
        self.lines.extend(self.indent + line for line in lines)

    def unique(self, value: Any = None) -> str:
        """A fresh name, for `value` if given."""
        self._unique += 1
        name = f"_{self._unique}"
        if value is not None:
            self.names[name] = value
        return name


class Type:
    """How a field of one type is read from `data` at `at`, and written with `put`."""

    bytes_min = 4

    def read(self, to: str, source: Source) -> None:
        raise NotImplementedError

    def write(self, value: str, source: Source) -> None:
        raise NotImplementedError


class Fixed(Type):
    """A number; neighbours are read and written together, see `read_run`."""

    def __init__(self, format: str) -> None:
        self.format = format
        self.bytes_min = Struct("!" + format).size

    def read(self, to: str, source: Source) -> None:
        read_run([(to, self)], source)

    def write(self, value: str, source: Source) -> None:
        write_run([(value, self)], source)


def read_run(run: list[tuple[str, Fixed]], source: Source) -> None:
    """Numbers that stand side by side, in one step."""
    struct = Struct("!" + "".join(kind.format for _, kind in run))
    source.put(f"{', '.join(to for to, _ in run)}, = {source.unique(struct.unpack_from)}(data, at)")
    source.put(f"at += {struct.size}")


def write_run(run: list[tuple[str, Fixed]], source: Source) -> None:
    struct = Struct("!" + "".join(kind.format for _, kind in run))
    source.put(f"put({source.unique(struct.pack)}({', '.join(value for value, _ in run)}))")


class Bytes(Type):
    """A length and that many bytes: a buffer (`text` false) or UTF-8 text.

    Java writes characters beyond 16 bits as two surrogates; they pass through here and path validation refuses them.
    """

    def __init__(self, text: bool, null: str = "None") -> None:
        self.text = text
        self.null = null

    def read(self, to: str, source: Source) -> None:
        source.put("n, = unpack_int(data, at)", "at += 4", "if n < 0:", "    if n != -1: raise short()")
        source.put(f"    {to} = {self.null}", "else:", "    end = at + n", "    if end > size: raise short()")
        source.put(
            f"    {to} = data[at:end]" + (".decode('utf-8', 'surrogatepass')" if self.text else ""), "    at = end"
        )

    def write(self, value: str, source: Source) -> None:
        source.put(f"if {value} is None: put({NULL!r})", "else:")
        source.put(f"    b = {value}" + (".encode('utf-8', 'surrogatepass')" if self.text else ""))
        source.put("    put(pack_int(len(b)))", "    put(b)")


class Many(Type):
    """A count and that many elements."""

    def __init__(self, element: Type) -> None:
        assert element.bytes_min > 0, "or a count could not be bounded"
        self.element = element

    def read(self, to: str, source: Source) -> None:
        count, one, many = source.unique(), source.unique(), source.unique()
        source.put(f"{count}, = unpack_int(data, at)", "at += 4")
        source.put(f"if {count} < -1 or {count} * {self.element.bytes_min} > size - at: raise short()")
        source.put(f"{many} = []", f"for _ in range({count}):")
        source.indent += "    "
        self.element.read(one, source)
        source.put(f"{many}.append({one})")
        source.indent = source.indent[4:]
        source.put(f"{to} = {many}")

    def write(self, value: str, source: Source) -> None:
        one = source.unique()
        source.put(f"put(pack_int(len({value})))", f"for {one} in {value}:")
        source.indent += "    "
        self.element.write(one, source)
        source.indent = source.indent[4:]


class Texts(Many):
    """A count and that many texts. Names of znodes are short and ASCII as a rule: such become bytes all at once, a
    million of them in a fourth of the time."""

    def write(self, value: str, source: Source) -> None:
        unlike = TypeError, IndexError, UnicodeEncodeError  # null, long, not ASCII
        source.names.update(lengths=LENGTHS, unlike=unlike)
        source.put("try:", f"    texts = ''.join([lengths[len(text)] + text for text in {value}]).encode('ascii')")
        source.put("except unlike:")
        source.indent += "    "
        super().write(value, source)
        source.indent = source.indent[4:]
        source.put("else:", f"    put(pack_int(len({value})))", "    put(texts)")


class Acls(Many):
    """ACL rows. Most lists are the one that allows everything to everybody, and known by its bytes."""

    def read(self, to: str, source: Source) -> None:
        source.put(
            f"if data.startswith({OPEN_ROWS!r}, at): {to}, at = [*{source.unique(OPEN)}], at + {len(OPEN_ROWS)}",
            "else:",
        )
        source.indent += "    "
        super().read(to, source)
        source.indent = source.indent[4:]


class Maybe(Type):
    """A flag, and the value if it is there. Only in operations of our own: ZooKeeper has no such thing."""

    bytes_min = 1

    def __init__(self, value: Type) -> None:
        self.value = value

    def read(self, to: str, source: Source) -> None:
        source.put("if not size > at: raise short()", "at += 1", f"if not data[at - 1]: {to} = None", "else:")
        source.indent += "    "
        self.value.read(to, source)
        source.indent = source.indent[4:]

    def write(self, value: str, source: Source) -> None:
        source.put(f"if {value} is None: put(b'\\0')", "else:", "    put(b'\\1')")
        source.indent += "    "
        self.value.write(value, source)
        source.indent = source.indent[4:]


class Packed(Type):
    """A NamedTuple of numbers alone."""

    def __init__(self, cls: type[tuple[Any, ...]], struct: Struct) -> None:
        self.cls = cls
        self.struct = struct
        self.bytes_min = self.struct.size

    def read(self, to: str, source: Source) -> None:
        new, cls, unpack = (source.unique(value) for value in (tuple.__new__, self.cls, self.struct.unpack_from))
        source.put(f"{to} = {new}({cls}, {unpack}(data, at))", f"at += {self.struct.size}")

    def write(self, value: str, source: Source) -> None:
        source.put(f"put({source.unique(self.struct.pack)}(*{value}))")


class Tuple(Type):
    """A NamedTuple of other types."""

    def __init__(self, cls: type[tuple[Any, ...]], *types: Type) -> None:
        self.cls = cls
        self.types = types
        self.bytes_min = sum(kind.bytes_min for kind in types)

    def read(self, to: str, source: Source) -> None:
        names = [source.unique() for _ in self.types]
        for name, kind in zip(names, self.types, strict=True):
            kind.read(name, source)
        source.put(f"{to} = {source.unique(self.cls)}({', '.join(names)})")

    def write(self, value: str, source: Source) -> None:
        for index, kind in enumerate(self.types):
            name = source.unique()
            source.put(f"{name} = {value}[{index}]")
            kind.write(name, source)


TEXT = Bytes(text=True)
BUFFER = Bytes(text=False)
SECRET = Bytes(text=False)  # the same bytes; a record does not show it
PATH = Bytes(text=True, null="''")
_ID = Tuple(Id, TEXT, TEXT)
_ACL = Tuple(Acl, Fixed("i"), _ID)
VALUES: dict[Any, Type] = {
    Stat: Packed(Stat, STAT),
    Id: _ID,
    Acl: _ACL,
    list[Acl]: Acls(_ACL),
}
"""The values of model/ that stand in records as they are."""
