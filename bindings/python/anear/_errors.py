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
    code, name = 1, "invalid_argument"


class NotFoundError(Error, LookupError):
    code, name = 2, "not_found"


class AlreadyExistsError(Error):
    code, name = 3, "already_exists"


class ConflictError(Error):
    code, name = 4, "conflict"


class FilterError(Error, ValueError):
    code, name = 5, "filter_invalid"


class LimitExceededError(Error):
    code, name = 6, "limit_exceeded"


class LockedError(Error):
    code, name = 7, "locked"


class ReadOnlyError(Error):
    code, name = 8, "read_only"


class ClosedError(Error):
    code, name = 9, "closed"


class ForkedError(Error):
    code, name = 10, "forked"


class IoError(Error, OSError):
    code, name = 11, "io"


class NoSpaceError(Error, OSError):
    code, name = 12, "no_space"


class CorruptionError(Error):
    code, name = 13, "corruption"


class UnsupportedFormatError(Error):
    code, name = 14, "unsupported_format"


class LostWritesError(Error):
    code, name = 15, "lost_writes"


class OutcomeUnknownError(Error):
    code, name = 16, "outcome_unknown"


class SnapshotExpiredError(Error):
    code, name = 17, "snapshot_expired"


class CancelledError(Error):
    code, name = 18, "cancelled"


class OutOfMemoryError(Error, MemoryError):
    code, name = 19, "out_of_memory"


class InternalError(Error):
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
