// What the programs beside bench/compare.py share: rows of a .npy file, and a writer that upserts
// them with as much metadata as a package of Debian has.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"

namespace anear::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename Outcome>
Outcome checked(Outcome outcome) {
  if (outcome) return outcome;
  std::cerr << outcome.error().message << '\n';
  std::exit(1);
}

/// The matrix of a .npy file of version 1, of f16.
struct Rows {
  explicit Rows(const char* path) {
    constexpr std::size_t kHeadBytes = 10;
    std::ifstream file(path, std::ios::binary);
    std::string head(kHeadBytes, '\0');
    file.read(head.data(), kHeadBytes);
    std::string header(
        static_cast<std::uint8_t>(head[8]) + std::size_t{256} * static_cast<std::uint8_t>(head[9]),
        '\0');
    file.read(header.data(), static_cast<std::streamsize>(header.size()));
    const std::size_t shape = header.find("'shape': (");
    if (!file || header.find("'<f2'") == header.npos || shape == header.npos) {
      std::cerr << path << " is no matrix of f16\n";
      std::exit(1);
    }
    char* next = nullptr;
    count = std::strtoul(header.c_str() + shape + std::strlen("'shape': ("), &next, 10);
    dimension = std::strtoul(next + 1, nullptr, 10);
    numbers.resize(count * dimension);
    file.read(reinterpret_cast<char*>(numbers.data()),
              static_cast<std::streamsize>(numbers.size() * sizeof(Half)));
  }
  MatrixView part(std::size_t first, std::size_t size) const {
    return {numbers.data() + first * dimension, {size, dimension}, ScalarKind::kF16};
  }

  std::vector<Half> numbers;
  std::size_t count = 0, dimension = 0;
};

class Writer {
 public:
  Writer(Collection docs, const Rows& rows) : docs_(std::move(docs)), rows_(rows) {}

  /// Upserts records [first, first + count), with as much metadata as a package has.
  void write(std::size_t first, std::size_t count) {
    std::vector<std::string> names;
    std::vector<Value> sections, architectures, sizes, depends, tags;
    for (std::size_t i = first; i < first + count; ++i) {
      Random random(i);
      names.push_back(std::to_string(i));
      sections.emplace_back("section" + std::to_string(random.below(50)));
      architectures.emplace_back(std::string(random.below(2) == 0 ? "all" : "amd64"));
      depends.emplace_back(static_cast<std::int64_t>(random.below(30)));
      sizes.emplace_back(static_cast<std::int64_t>(random.below(100'000)));
      std::vector<std::string> some;
      for (int t = 0; t < 5; ++t) some.push_back("tag::" + std::to_string(random.below(300)));
      tags.emplace_back(std::move(some));
    }
    const std::vector<std::string_view> keys(names.begin(), names.end());
    RecordBatch batch;
    batch.keys = keys;
    batch.vectors.push_back({"embedding", rows_.part(first, count)});
    batch.fields = {{"section", sections},
                    {"architecture", architectures},
                    {"installed_size", sizes},
                    {"n_depends", depends},
                    {"tags", tags}};
    (void)checked(docs_.upsert(batch));
  }

 private:
  Collection docs_;
  const Rows& rows_;
};

/// A folder made inside another, removed at the end.
struct TemporaryFolder {
  explicit TemporaryFolder(const std::string& inside) : path(inside + "/anear_XXXXXX") {
    if (::mkdtemp(path.data()) != nullptr) return;
    std::cerr << path << " cannot be made\n";
    std::exit(1);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path); }

  std::string path;
};

inline Collection create_docs(Store& store, std::size_t dimension) {
  return *checked(
      store.create_collection("docs", {.vectors = {{.name = "embedding", .dimension = dimension}},
                                       .fields = {{"section", FieldType::kString},
                                                  {"architecture", FieldType::kString},
                                                  {"installed_size", FieldType::kInt64},
                                                  {"n_depends", FieldType::kInt64},
                                                  {"tags", FieldType::kStringList}}}));
}

}  // namespace anear::bench
