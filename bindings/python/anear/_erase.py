"""What erasing records tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ._checks import number
from ._errors import InvalidArgumentError


@dataclass(frozen=True)
class EraseReceipt:
    """What was erased, what was written anew for it, and what may still hold it."""

    collection: str
    sequence: int
    """The commit from which on the records are gone. All that the collection had removed or replaced before is erased too."""
    records: int
    """How many were deleted by it, and by erasures that this one finished."""
    begun: datetime
    finished: datetime
    indexes: int
    """Built anew, without the rows."""
    containers: int
    """Of fields' values that no record has any more."""
    changes: int
    """Entries of the change log."""
    files: list[tuple[str, int, str]]
    """Those of the collection and of the records as they are now: path in the store, bytes, checksum."""
    removed: list[str]
    """Files that are gone, by their paths."""
    outstanding: list[str]
    """What may still hold the records, for people: backups, lost-… directories."""


def receipt_of(told: dict[str, Any]) -> EraseReceipt:
    for name in ("begun", "finished"):
        told[name] = _EPOCH + timedelta(microseconds=told[name])
    return EraseReceipt(**told)


def milliseconds(seconds: float, name: str) -> int:
    given = number(seconds, name)
    if not 0 <= given <= 86_400:
        raise InvalidArgumentError(f"{name}: expected seconds from 0 to 86400, got {seconds!r}")
    return math.ceil(given * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
