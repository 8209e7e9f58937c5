"""A record is a class with annotated fields; its bytes follow from them.

Rules: fields in the order of the wire; types from below, a value of model/ (Stat, Acl, Id), another record,
`Vector[...]` of any, or `X | None` (a flag before it; operations of our own alone). The class maker writes `__init__`,
`encode`, `decode`, `==` and `repr` once; records are never subclassed further.

    class Request(Record):
        path: Path
        version: Int = -1

`encode` raises BadArguments when a number does not fit its field; `decode` raises MarshallingError for bytes that are
no such record, and ignores bytes after it, as ZooKeeper does.
"""

import struct
from collections.abc import Callable
from inspect import get_annotations
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, ClassVar, Self, dataclass_transform, get_args, get_origin

from zooweeper.codec.jute import (
    BUFFER,
    PATH,
    SECRET,
    TEXT,
    VALUES,
    Fixed,
    Many,
    Maybe,
    Source,
    Texts,
    Type,
    read_run,
    write_run,
)
from zooweeper.model.errors import BadArguments, MarshallingError

Int = Annotated[int, Fixed("i")]
Long = Annotated[int, Fixed("q")]
Bool = Annotated[bool, Fixed("?")]
Str = Annotated[str | None, TEXT]
Buffer = Annotated[bytes | None, BUFFER]
Secret = Annotated[bytes | None, SECRET]
Path = Annotated[str, PATH]  # null reads as empty, which is no path
Vector = list


class _Nested(Type):
    """A record inside another."""

    def __init__(self, cls: type["Record"]) -> None:
        self.cls = cls
        self.bytes_min = cls._bytes_min

    def read(self, to: str, source: Source) -> None:
        source.put(f"{to}, at = {source.unique(self.cls._read)}(data, at, size)")

    def write(self, value: str, source: Source) -> None:
        source.put(f"{value}._write(put)")


def _type_of(annotation: Any) -> Type:
    """How a field with this annotation is encoded."""
    if annotation in VALUES:
        return VALUES[annotation]
    if isinstance(annotation, GenericAlias) and get_origin(annotation) is list:
        element = _type_of(get_args(annotation)[0])
        return Texts(element) if element is TEXT else Many(element)
    if isinstance(annotation, UnionType):
        (value,) = (one for one in get_args(annotation) if one is not NoneType)
        return Maybe(_type_of(value))
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return _Nested(annotation)
    (kind,) = annotation.__metadata__  # the aliases above
    assert isinstance(kind, Type)
    return kind


def _each(fields: dict[str, Type], source: Source, run: Callable[..., None], one: Callable[..., None]) -> None:
    """`run` for numbers that stand side by side, `one` for every other field."""
    numbers: list[tuple[str, Fixed]] = []
    for name, kind in fields.items():
        if isinstance(kind, Fixed):
            numbers.append((f"self.{name}", kind))
            continue
        if numbers:
            run(numbers, source)
            numbers = []
        one(kind, f"self.{name}", source)
    if numbers:
        run(numbers, source)


def _compile(cls: type["Record"], fields: dict[str, Type], defaults: dict[str, Any]) -> None:
    """Write the methods of a record class."""
    source = Source()
    source.indent = ""
    source.names.update(cls=cls, new=object.__new__, defaults=defaults, struct_error=struct.error)
    source.names.update(BadArguments=BadArguments, MarshallingError=MarshallingError)
    arguments = ", ".join(f"{name}=defaults[{name!r}]" if name in defaults else name for name in fields)
    source.put(f"def __init__(self, {arguments}):")
    source.put(*(f"    self.{name} = {name}" for name in fields), "    pass")
    source.put("def _read(data, at, size):", "    self = new(cls)")
    source.indent = "    "
    _each(fields, source, read_run, lambda kind, to, source: kind.read(to, source))
    source.put("return self, at")
    source.indent = ""
    source.put("def _write(self, put):", "    pass")
    source.indent = "    "
    _each(fields, source, write_run, lambda kind, value, source: kind.write(value, source))
    source.indent = ""
    source.put("def encode(self):", "    try:", "        parts = []", "        put = parts.append")
    source.indent = " " * 8
    _each(fields, source, write_run, lambda kind, value, source: kind.write(value, source))
    source.indent = ""
    source.put("    except struct_error as error:", "        raise BadArguments(str(error)) from None")
    source.put("    return b''.join(parts)")
    source.put("def decode(data):", "    self, at, size = new(cls), 0, len(data)", "    try:", "        pass")
    source.indent = " " * 8
    _each(fields, source, read_run, lambda kind, to, source: kind.read(to, source))
    source.indent = ""
    source.put("    except struct_error:", "        raise MarshallingError('the record ends too early') from None")
    source.put("    except UnicodeDecodeError:", "        raise MarshallingError('text is not UTF-8') from None")
    source.put("    return self")
    exec("\n".join(source.lines), source.names)
    for name in ("__init__", "_write", "encode"):
        setattr(cls, name, source.names[name])
    for name in ("_read", "decode"):
        setattr(cls, name, staticmethod(source.names[name]))
    cls._fields = fields
    cls._bytes_min = sum(kind.bytes_min for kind in fields.values())


class _Maker(type):
    """Gives a record class its slots and methods."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        probe = type.__new__(mcls, name, bases, dict(namespace))  # annotations, however this Python keeps them
        if not bases:
            return probe
        annotations = get_annotations(probe)
        defaults = {field: namespace.pop(field) for field in annotations if field in namespace}
        cls: Any = type.__new__(mcls, name, bases, {**namespace, "__slots__": tuple(annotations)})
        _compile(cls, {field: _type_of(value) for field, value in annotations.items()}, defaults)
        return cls


@dataclass_transform()
class Record(metaclass=_Maker):
    """The base of all records."""

    __slots__ = ()
    _fields: ClassVar[dict[str, Type]]
    _bytes_min: ClassVar[int]
    _read: ClassVar[Callable[[bytes, int, int], tuple[Any, int]]]

    def _write(self, put: Callable[[bytes], None]) -> None:
        raise NotImplementedError

    def encode(self) -> bytes:
        """The bytes of the record. BadArguments if a number does not fit its field."""
        raise NotImplementedError

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The record at the start of `data`. MarshallingError if there is none."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    __hash__ = None  # type: ignore[assignment]  # records can change

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}=…" if kind is SECRET else f"{name}={getattr(self, name)!r}" for name, kind in self._fields.items()
        )
        return f"{type(self).__qualname__}({shown})"
