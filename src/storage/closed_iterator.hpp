// What a ByteStore that is closed answers with.
#pragma once

#include <string_view>

#include "anear/core/error.hpp"
#include "anear/storage/byte_store.hpp"

namespace anear::storage {

inline Error closed_error() { return Error{ErrorCode::kClosed, "the store is closed"}; }

/// Nothing, and why.
class ClosedIterator final : public ByteIterator {
 public:
  bool valid() const override { return false; }
  void next() override {}
  void seek(std::string_view) override {}
  std::string_view key() const override { return {}; }
  std::string_view value() const override { return {}; }
  Status status() const override { return closed_error(); }
};

}  // namespace anear::storage
