"""Arguments that are refused before the compiled part sees them, with a message in Python's words."""

from __future__ import annotations

import operator
from typing import Any

from ._errors import InvalidArgumentError


def whole(value: Any, name: str, most: int = 2**63 - 1) -> int:
    """`value` as an int from 0 to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name}: expected an integer, got {value!r}", subcode=4) from None
    if not 0 <= number <= most:
        allowed = f"from 0 to {most}" if most < 2**63 - 1 else "of at least 0"
        raise InvalidArgumentError(f"{name}: expected an integer {allowed}, got {number}")
    return number


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name}: expected a string, got {type(value).__name__}", subcode=4)
    return value


def number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name}: expected a number, got {value!r}", subcode=4) from None
