// The one error vocabulary of anear: ErrorCode, Error, Status and Result<T>.
//
// The numbers of ErrorCode are part of every interface (C++, C, Python) and are never reused. A
// user's mistake or an I/O failure is an Error in a Result; a bug of ours is an ANEAR_ASSERT;
// damaged bytes are always an Error.
//
// Threads: values, without shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <variant>

#include "anear/core/assert.hpp"

namespace anear {

/// What went wrong, coarsely: one code for each thing a caller can do about it. The same numbers in
/// C and Python.
// NOLINTNEXTLINE(performance-enum-size): the C functions return these numbers as int.
enum class ErrorCode : std::int32_t {
  kOk = 0,
  kInvalidArgument =
      1,          ///< A value of the call is wrong; nothing was changed. Correct it and call again.
  kNotFound = 2,  ///< The named store, collection, record or file does not exist.
  kAlreadyExists = 3,  ///< The name is taken.
  kConflict = 4,       ///< The record is not at the sequence the caller expected.
  kFilterInvalid =
      5,  ///< The filter does not parse or does not fit the schema; `position` is its byte offset.
  kLimitExceeded = 6,  ///< A stated limit (slots, sizes, budgets) would be passed.
  kLocked = 7,         ///< Another process holds the store for writing; the message names it.
  kReadOnly = 8,     ///< The store cannot be written (opened so, or turned so after a failed sync).
  kClosed = 9,       ///< The handle was closed before the call.
  kForked = 10,      ///< The handle was opened before fork() and is used in the child.
  kIo = 11,          ///< The file system failed, or the store was moved while open.
  kNoSpace = 12,     ///< Less of the disk is free than is reserved, or nothing.
  kCorruption = 13,  ///< Bytes on disk are damaged; the message names file and offset.
  kUnsupportedFormat = 14,  ///< Not an anear store or file, or one of a newer format.
  kLostWrites =
      15,  ///< Fewer writes were recovered than had been acknowledged; the message names the range.
  kOutcomeUnknown = 16,   ///< The write may or may not survive (its sync failed). Resume, and read.
  kSnapshotExpired = 17,  ///< The view was held for too long.
  kCancelled = 18,        ///< The caller asked to stop.
  kOutOfMemory = 19,      ///< An allocation failed; nothing was changed. Also as std::bad_alloc.
  kInternal = 20,         ///< A defect of anear. Please report it.
};

/// Finer than ErrorCode, for programs that react to one cause; 0 where the code says it all.
// NOLINTNEXTLINE(performance-enum-size): a number of the C error struct.
enum class Subcode : std::int32_t {
  kNone = 0,
  kDimensionMismatch = 1,
  kNotFinite = 2,
  kZeroVector = 3,
  kWrongType = 4,
  kUnknownField = 5,
  kUnknownVector = 6,
  kKeyInvalid = 7,
  kDuplicateKey = 8,
  kKTooLarge = 9,
  kFilterSyntax = 10,
  kFilterType = 11,
  kFilterParameter = 12,
  kNameInvalid = 13,
  kCountMismatch = 14,
  kNotTrained = 15,
  kNewerFormat = 16,
  kForeignFile = 17,
  kTruncated = 18,
  kChecksum = 19,
  kPayloadTooLarge = 20,
};

/// The name of `code` as it stands in documents, for example "invalid_argument". Static storage.
const char* name_of(ErrorCode code) noexcept;

/// A failure: what (`code`, `subcode`), where (`record` of a batch, byte `position` of a filter or
/// file; -1 when it has none) and a sentence that names the values involved and says what to do.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  Subcode subcode = Subcode::kNone;
  std::int64_t record = -1;
  std::int64_t position = -1;

  /// The same error, located at record `index` of the caller's batch.
  Error at_record(std::int64_t index) && {
    record = index;
    return std::move(*this);
  }
  /// The same error, located at byte `offset`.
  Error at_position(std::int64_t offset) && {
    position = offset;
    return std::move(*this);
  }
};

/// Shorthand for the commonest failure.
inline Error invalid_argument(std::string message, Subcode subcode = Subcode::kNone) {
  return Error{ErrorCode::kInvalidArgument, std::move(message), subcode};
}

/// A `T` or the Error that kept it from being made. The names are a subset of std::expected's.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  // NOLINTNEXTLINE(google-explicit-constructor): so that `return value;` works.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): so that `return error;` works.
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& operator*() & {
    ANEAR_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& operator*() const& {
    ANEAR_ASSERT(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& operator*() && {
    ANEAR_ASSERT(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

  const Error& error() const& {
    ANEAR_ASSERT(!has_value());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    ANEAR_ASSERT(!has_value());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success, or the Error: what a function returns that has nothing else to say.
class [[nodiscard]] Status {
 public:
  Status() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): so that `return error;` works.
  Status(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return error_.code == ErrorCode::kOk; }
  explicit operator bool() const noexcept { return has_value(); }
  const Error& error() const& {
    ANEAR_ASSERT(!has_value());
    return error_;
  }
  Error&& error() && {
    ANEAR_ASSERT(!has_value());
    return std::move(error_);
  }

 private:
  Error error_{ErrorCode::kOk, {}};
};

inline const char* name_of(ErrorCode code) noexcept {
  static constexpr const char* kNames[] = {"ok",
                                           "invalid_argument",
                                           "not_found",
                                           "already_exists",
                                           "conflict",
                                           "filter_invalid",
                                           "limit_exceeded",
                                           "locked",
                                           "read_only",
                                           "closed",
                                           "forked",
                                           "io",
                                           "no_space",
                                           "corruption",
                                           "unsupported_format",
                                           "lost_writes",
                                           "outcome_unknown",
                                           "snapshot_expired",
                                           "cancelled",
                                           "out_of_memory",
                                           "internal"};
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

}  // namespace anear
