// Stores for tests, opened or failing the test with what open() said.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "anear/collection/store.hpp"

namespace anear::test {

/// What `result` holds; fails the test with what it says otherwise.
template <typename T>
T must(Result<T> result) {
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return std::move(*result);
}

inline Store must_open(const std::string& path, const StoreOptions& options = {}) {
  return must(Store::open(path, options));
}

inline Store memory_store(StoreOptions options = {}) {
  options.in_memory = true;
  return must_open("memory", options);
}

}  // namespace anear::test
