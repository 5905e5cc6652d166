"""Arguments that are refused before the compiled part sees them, with a message in Python's words."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import Any

from ._errors import InvalidArgumentError


# What the compiled part allows where that is less than its type holds; a test compares the two.
_ALLOWED = {
    "dimension": "from 1 to 65535",
    "k": "from 1 to 10000",
    "links": "from 2 to 512",
    "ef_construction": "from 1 to 100000",
    "iterations": "from 1 to 1000",
    "lists": "from 0 to 1048576",
    "subspaces": "from 0 to the dimension",
    "train_from": "from 1 to 4294967295",
}


def whole(value: Any, name: str, most: int = 2**63 - 1) -> int:
    """`value` as an int from 0 to `most`; what is narrower than that is left to the compiled part."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name}: expected an integer, got {value!r}", subcode=4) from None
    if not 0 <= number <= most:
        allowed = f"from 0 to {most}" if most < 2**63 - 1 or number > most else "of at least 0"
        allowed = _ALLOWED.get(name.rpartition(": ")[2], allowed)
        raise InvalidArgumentError(f"{name}: expected an integer {allowed}, got {number}")
    return number


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name}: expected a string, got {type(value).__name__}", subcode=4)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"{name}: {value!r} cannot be encoded as UTF-8 (it holds a lone surrogate)") from None
    return value


def path(value: Any) -> str:
    try:
        return text(os.fspath(value), "path")
    except TypeError:
        raise InvalidArgumentError(f"path: expected a string or os.PathLike, got {value!r}", subcode=4) from None


def each(values: Any, name: str) -> Iterable[Any]:
    if not isinstance(values, Iterable):
        raise InvalidArgumentError(f"{name}: expected a list, got {values!r}", subcode=4)
    return values


def number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgumentError(f"{name}: expected a number, got {value!r}", subcode=4) from None
