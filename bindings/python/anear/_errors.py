"""The exceptions of anear: one class for each error code, all of them subclasses of `Error`."""

from __future__ import annotations


class Error(Exception):
    """Something anear could not do. `code` is the number shared with C and C++, `subcode` a finer cause (0: none),
    `record` the index of the offending record in the caller's batch and `position` a byte offset (None where it has
    none)."""

    code: int = 20
    name: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        subcode: int = 0,
        record: int | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subcode = subcode
        self.record = record
        self.position = position

    def __str__(self) -> str:
        return self.message


class InvalidArgumentError(Error, ValueError):
    """An argument cannot be used: a wrong shape, type, name or number. Nothing was changed."""

    code, name = 1, "invalid_argument"


class NotFoundError(Error, LookupError):
    """There is no such store, collection, record or file."""

    code, name = 2, "not_found"


class AlreadyExistsError(Error):
    """The name is taken."""

    code, name = 3, "already_exists"


class ConflictError(Error):
    """A record is not at the sequence that `expected` said."""

    code, name = 4, "conflict"


class FilterError(Error, ValueError):
    """A filter does not parse or does not fit the schema; `position` is the byte where."""

    code, name = 5, "filter_invalid"


class LimitExceededError(Error):
    """A stated limit would be passed; the message names it."""

    code, name = 6, "limit_exceeded"


class LockedError(Error):
    """Another process holds the store for writing; the message has its pid."""

    code, name = 7, "locked"


class ReadOnlyError(Error):
    """The store was opened read-only, or turned so after a failed sync."""

    code, name = 8, "read_only"


class ClosedError(Error):
    """The store was closed before the call."""

    code, name = 9, "closed"


class ForkedError(Error):
    """The store was opened before a fork and is used in the child."""

    code, name = 10, "forked"


class IoError(Error, OSError):
    """The file system reported a failure, or the store was moved, or its LOCK removed, while it was open."""

    code, name = 11, "io"


class NoSpaceError(Error, OSError):
    """The disk is full, or less of it is free than is reserved: the message says which, and what to do."""

    code, name = 12, "no_space"


class CorruptionError(Error):
    """Bytes on disk are damaged; the message says where."""

    code, name = 13, "corruption"


class UnsupportedFormatError(Error):
    """Not a store or file of anear, or one of a newer format. Nothing was touched."""

    code, name = 14, "unsupported_format"


class LostWritesError(Error):
    """Less was recovered than had been acknowledged; the message names the range."""

    code, name = 15, "lost_writes"


class OutcomeUnknownError(Error):
    """A write may or may not survive: its sync failed. Call Store.resume(), or open the store again, and read."""

    code, name = 16, "outcome_unknown"


class SnapshotExpiredError(Error):
    """A view was held for too long."""

    code, name = 17, "snapshot_expired"


class CancelledError(Error):
    """The caller asked to stop."""

    code, name = 18, "cancelled"


class OutOfMemoryError(Error, MemoryError):
    """An allocation failed; nothing was changed."""

    code, name = 19, "out_of_memory"


class InternalError(Error):
    """A defect of anear. Please report it."""

    code, name = 20, "internal"


_BY_CODE: dict[int, type[Error]] = {
    kind.code: kind
    for kind in (
        InvalidArgumentError,
        NotFoundError,
        AlreadyExistsError,
        ConflictError,
        FilterError,
        LimitExceededError,
        LockedError,
        ReadOnlyError,
        ClosedError,
        ForkedError,
        IoError,
        NoSpaceError,
        CorruptionError,
        UnsupportedFormatError,
        LostWritesError,
        OutcomeUnknownError,
        SnapshotExpiredError,
        CancelledError,
        OutOfMemoryError,
        InternalError,
    )
}


def make_error(code: int, subcode: int, record: int, position: int, message: str) -> Error:
    """The exception for an error of the core; called by the compiled module."""
    return _BY_CODE.get(code, InternalError)(
        message,
        subcode=subcode,
        record=None if record < 0 else record,
        position=None if position < 0 else position,
    )
