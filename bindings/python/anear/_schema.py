"""What a collection holds: named vectors with their indexes, and typed fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Union

from ._checks import text, whole
from ._errors import InvalidArgumentError

_SEED = 0x616E656172
_U32 = 2**32 - 1


class _Missing:
    """The type of MISSING."""

    def __repr__(self) -> str:
        return "anear.MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""The value of a field that is absent from a record; `None` is "present and null".

    docs.upsert(["a", "b"], rows, fields={"section": ["python", anear.MISSING]})
"""


@dataclass(frozen=True)
class Flat:
    """Exact search over all rows: no graph, no training; the cost grows with the number of records.

    anear.Vector(384, index=anear.Flat())
    """


@dataclass(frozen=True)
class Hnsw:
    """A graph index: fast at high recall, grows record by record.

    `links`: links a record on the upper levels (M), twice as many on the lowest. `ef_construction`: candidates weighed for
    each insertion. `codes`: what the walk reads: "i8" (fastest; candidates are re-ranked on the rows, so distances are
    exact), "f16" or "f32"; numpy's names "int8", "float16", "float32" are understood too.

        anear.Vector(384, index=anear.Hnsw(links=24))
    """

    links: int = 16
    ef_construction: int = 200
    codes: str = "i8"
    seed: int = _SEED


@dataclass(frozen=True)
class IvfPq:
    """Inverted lists of product codes, re-ranked on the rows: little memory, trained by the store.

    `lists`, `subspaces`: 0 chooses by the data. `train_from`: with fewer records every search is exact.

        anear.Vector(384, index=anear.IvfPq())
    """

    lists: int = 0
    subspaces: int = 0
    rotate: bool = True
    iterations: int = 10
    train_from: int = 10_000
    seed: int = _SEED


Index = Union[Flat, Hnsw, IvfPq]
_INDEXES: dict[str, type[Flat] | type[Hnsw] | type[IvfPq]] = {"flat": Flat, "hnsw": Hnsw, "ivf_pq": IvfPq}


@dataclass(frozen=True)
class Vector:
    """One named vector of a collection.

    `metric`: "cosine", "l2" (squared) or "ip" (inner product). `dtype`: how rows are stored, "f32" or "f16"; rows of either
    kind are accepted. numpy's names "float32" and "float16" are understood too.

        anear.Vector(384, metric="cosine", index=anear.Hnsw(), dtype="f16")
    """

    dimension: int
    metric: str = "cosine"
    index: Index = field(default_factory=Hnsw)
    dtype: str = "f32"


@dataclass(frozen=True)
class FieldType:
    """The type of a declared field: use its subclasses, such as anear.String()."""

    @property
    def _number(self) -> int:
        return _NUMBERS.get(type(self), 0)


class Bool(FieldType):
    """True or False."""


class Int64(FieldType):
    """Whole numbers of 64 bits."""


class Float64(FieldType):
    """Numbers; ints are accepted when they are exact as a float."""


class String(FieldType):
    """Text."""


class Timestamp(FieldType):
    """A moment, in microseconds UTC: Python's aware datetimes of the years 1 to 9999.

    C and C++ can write others; these are read as an int, the microseconds since 1970.
    """


class BoolList(FieldType):
    """A list of bools."""


class Int64List(FieldType):
    """A list of ints."""


class Float64List(FieldType):
    """A list of floats; ints are accepted when they are exact as a float."""


class StringList(FieldType):
    """A list of strings: `'cli' in tags` finds it."""


class TimestampList(FieldType):
    """A list of aware datetimes."""


class Json(FieldType):
    """Any JSON document: dicts, lists, strings, numbers."""


# The numbers are FieldType's in include/anear/core/value.hpp.
_TYPES: tuple[type[FieldType], ...] = (
    Bool,
    Int64,
    Float64,
    String,
    Timestamp,
    BoolList,
    Int64List,
    Float64List,
    StringList,
    TimestampList,
    Json,
)
_NUMBERS: dict[type[FieldType], int] = {kind: i for i, kind in enumerate(_TYPES, 1)}


@dataclass(frozen=True)
class Schema(Mapping[str, Any]):
    """What a collection was created with. Also a mapping, so that another one can be made alike:

    store.create_collection("copy", **docs.schema)
    """

    vectors: dict[str, Vector]
    fields: dict[str, FieldType]
    dynamic: bool

    def __getitem__(self, name: str) -> Any:
        if name in ("vectors", "fields", "dynamic"):
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Any:
        return iter(("vectors", "fields", "dynamic"))

    def __len__(self) -> int:
        return 3


def describe_vectors(vectors: Any) -> list[dict[str, Any]]:
    """Vectors as the compiled part takes them."""
    if isinstance(vectors, Vector):
        vectors = {"vector": vectors}
    described = []
    for name, vector in _mapping(vectors, "vectors", "anear.Vector(dimension)").items():
        if not isinstance(vector, Vector):
            raise InvalidArgumentError(f"vector '{name}': expected anear.Vector(dimension, …), got {vector!r}", subcode=4)
        described.append(_describe_vector(name, vector))
    return described


def describe_fields(fields: Any) -> list[tuple[str, int]]:
    """Fields as the compiled part takes them."""
    described = []
    for name, kind in _mapping(fields, "fields", "a type such as anear.String()").items():
        kind = kind() if isinstance(kind, type) and issubclass(kind, FieldType) else kind
        if not isinstance(kind, FieldType) or kind._number == 0:
            raise InvalidArgumentError(
                f"field '{name}': expected a type such as anear.String(), anear.Int64() or anear.StringList(), got {kind!r}",
                subcode=4,
            )
        described.append((name, kind._number))
    return described


def schema_of(vectors: list[dict[str, Any]], fields: list[tuple[str, int]], dynamic: bool) -> Schema:
    """The inverse of the two functions above."""
    made = {}
    for vector in vectors:
        options = dict(vector["index"])
        index = _INDEXES[options.pop("kind")](**options)
        made[vector["name"]] = Vector(vector["dimension"], vector["metric"], index, vector["dtype"])
    return Schema(made, {name: _TYPES[number - 1]() for name, number in fields}, dynamic)


def plain_json(value: Any) -> Any:
    """What json.dumps cannot write by itself: numpy's arrays and scalars."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON")


def _mapping(given: Any, what: str, value: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"{what}: expected a dict of names and {value}, got {given!r}", subcode=4)
    for name in given:
        if not isinstance(name, str):
            raise InvalidArgumentError(f"{what}: a name must be a string, got {name!r}", subcode=13)
        text(name, f"a name in {what}")
    return given


def _describe_vector(name: str, vector: Vector) -> dict[str, Any]:
    index: Any = vector.index() if isinstance(vector.index, type) else vector.index
    for kind, known in _INDEXES.items():
        if isinstance(index, known):
            options = asdict(index)
            break
    else:
        raise InvalidArgumentError(
            f"vector '{name}': index must be anear.Flat(), anear.Hnsw() or anear.IvfPq(), got {index!r}", subcode=4
        )
    of = f"vector '{name}': "
    return {
        "name": name,
        "dimension": whole(vector.dimension, of + "dimension"),
        "metric": text(vector.metric, of + "metric"),
        "dtype": text(vector.dtype, of + "dtype"),
        "index": {"kind": kind, **{option: _checked(option, value, of + option) for option, value in options.items()}},
    }


def _checked(option: str, value: Any, name: str) -> Any:
    if option == "codes":
        return text(value, name)
    if option == "rotate":
        return bool(value)
    return whole(value, name, 2**64 - 1 if option == "seed" else _U32)
