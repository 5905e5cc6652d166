"""What a collection holds: named vectors with their indexes, and typed fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Union

_SEED = 0x616E656172


class _Missing:
    """The value of a field that is absent from a record; `None` is "present and null"."""

    def __repr__(self) -> str:
        return "anear.MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


@dataclass(frozen=True)
class Flat:
    """Exact search over all rows: no graph, no training; the cost grows with the number of records."""


@dataclass(frozen=True)
class Hnsw:
    """A graph index: fast at high recall, grows record by record.

    `codes`: what the walk reads: "i8" (fastest; candidates are re-ranked on the rows, so distances are exact), "f16" or
    "f32". `links`: links a record on the upper levels (M), twice as many on the lowest. `ef_construction`: candidates
    weighed for each insertion."""

    links: int = 16
    ef_construction: int = 200
    codes: str = "i8"
    seed: int = _SEED


@dataclass(frozen=True)
class IvfPq:
    """Inverted lists of product codes, re-ranked on the rows: little memory, trained once enough records are there.

    `lists`, `subspaces`: 0 chooses by the data."""

    lists: int = 0
    subspaces: int = 0
    rotate: bool = True
    iterations: int = 10
    seed: int = _SEED


Index = Union[Flat, Hnsw, IvfPq]
_KINDS = {Flat: "flat", Hnsw: "hnsw", IvfPq: "ivf_pq"}


@dataclass(frozen=True)
class Vector:
    """One named vector. `metric`: "cosine", "l2" or "ip"; `dtype`: how rows are stored, "f32" or "f16"."""

    dimension: int
    metric: str = "cosine"
    index: Index = Hnsw()
    dtype: str = "f32"

    def _describe(self, name: str) -> dict[str, Any]:
        from ._errors import InvalidArgumentError

        index = self.index() if isinstance(self.index, type) else self.index
        kind = _KINDS.get(type(index))
        if kind is None:
            raise InvalidArgumentError(
                f"vector '{name}': index must be anear.Flat(), anear.Hnsw() or anear.IvfPq(), got {index!r}"
            )
        if not isinstance(self.dimension, int) or self.dimension < 0:
            raise InvalidArgumentError(
                f"vector '{name}': dimension must be a positive integer, got {self.dimension!r}"
            )
        return {
            "name": name,
            "dimension": self.dimension,
            "metric": self.metric,
            "dtype": self.dtype,
            "index": {"kind": kind, **asdict(index)},
        }


@dataclass(frozen=True)
class FieldKind:
    """The type of a declared field; use its subclasses."""

    number = 0


class Bool(FieldKind):
    number = 1


class Int64(FieldKind):
    number = 2


class Float64(FieldKind):
    number = 3


class String(FieldKind):
    number = 4


class Timestamp(FieldKind):
    """Microseconds UTC; Python's aware datetimes."""

    number = 5


class BoolList(FieldKind):
    number = 6


class Int64List(FieldKind):
    number = 7


class Float64List(FieldKind):
    number = 8


class StringList(FieldKind):
    number = 9


class TimestampList(FieldKind):
    number = 10


class Json(FieldKind):
    """Any JSON document: dicts, lists, strings, numbers."""

    number = 11


def describe_vectors(vectors: Any) -> list[dict[str, Any]]:
    from ._errors import InvalidArgumentError

    if isinstance(vectors, Vector):
        vectors = {"vector": vectors}
    described = []
    for name, vector in dict(vectors or {}).items():
        if not isinstance(vector, Vector):
            raise InvalidArgumentError(f"vector '{name}': expected anear.Vector(dimension, …), got {vector!r}")
        described.append(vector._describe(name))
    return described


def describe_fields(fields: Any) -> list[tuple[str, int]]:
    from ._errors import InvalidArgumentError

    described = []
    for name, kind in dict(fields or {}).items():
        kind = kind() if isinstance(kind, type) else kind
        if not isinstance(kind, FieldKind) or kind.number == 0:
            raise InvalidArgumentError(
                f"field '{name}': expected a type such as anear.String(), anear.Int64() or anear.StringList(), got {kind!r}"
            )
        described.append((name, kind.number))
    return described
