// Stores for tests, opened or failing the test with what open() said.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <utility>

#include "anear/collection/store.hpp"

namespace anear::test {

inline Store opened(Result<Store> store) {
  INFO((store ? "" : store.error().message));
  REQUIRE(store);
  return std::move(*store);
}

inline Store must_open(const std::string& path, const StoreOptions& options = {}) {
  return opened(Store::open(path, options));
}

inline Store memory_store(StoreOptions options = {}) {
  options.in_memory = true;
  return must_open("memory", options);
}

}  // namespace anear::test
