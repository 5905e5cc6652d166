// What the tests of every index ask of it.
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>
#include <string>

#include "anear/core/random.hpp"
#include "anear/index/flat_index.hpp"
#include "every_change.hpp"
#include "random_rows.hpp"
#include "temp_directory.hpp"

namespace anear::test {

/// The share of the oracle's answers that `index` finds. Answers that are too few or not wanted
/// fail the test.
template <typename Index>
double recall_against(const FlatIndex& oracle, const Index& index, const Rows& queries,
                      const SearchOptions& options) {
  Scratch scratch;
  std::size_t hits = 0, all = 0;
  for (std::size_t q = 0; q < queries.count(); ++q) {
    const auto truth =
        oracle.search(queries.row(q), {.k = options.k, .wanted = options.wanted}, scratch);
    const auto found = index.search(queries.row(q), options, scratch);
    REQUIRE(truth);
    REQUIRE(found);
    REQUIRE(found->size() == truth->size());
    for (const Neighbor& neighbor : *found) {
      hits += neighbor.distance <= truth->back().distance + 1e-5F ? 1 : 0;
      if (options.wanted != nullptr) CHECK(options.wanted->contains(neighbor.reference));
    }
    all += truth->size();
  }
  return static_cast<double>(hits) / static_cast<double>(all);
}

/// Both give the same slots in the same order.
template <typename Index>
void expect_same_answers(const Index& one, const Index& other, const Rows& queries) {
  Scratch scratch;
  for (std::size_t q = 0; q < queries.count(); ++q) {
    const auto before = one.search(queries.row(q), {}, scratch);
    const auto after = other.search(queries.row(q), {}, scratch);
    REQUIRE(before->size() == after->size());
    for (std::size_t i = 0; i < before->size(); ++i)
      CHECK((*before)[i].reference == (*after)[i].reference);
  }
}

/// Every flip and cut of the header, the options and the section table of a saved `index` is
/// refused: all of them are under checksums.
template <typename Index>
void expect_damaged_head_refused(const Index& index) {
  const testing::TempDirectory directory;
  const std::string path = directory / "index";
  REQUIRE(index.save(path));
  const std::string bytes = testing::bytes_of_file(path);
  image_io::Header header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::size_t end =
      sizeof header + header.option_bytes + header.sections * sizeof(image_io::Entry);
  REQUIRE(end < bytes.size());
  const auto expect_refused = [&](const std::string& damaged) {
    testing::overwrite_file(path, damaged);
    const auto loaded = Index::load(path);
    REQUIRE_FALSE(loaded);
    const ErrorCode code = loaded.error().code;
    REQUIRE((code == ErrorCode::kCorruption || code == ErrorCode::kUnsupportedFormat));
    REQUIRE(loaded.error().message.find(path) != std::string::npos);
  };
  testing::for_each_flip(bytes, 0, end,
                         [&](const std::string& flipped, std::size_t) { expect_refused(flipped); });
  testing::for_each_cut(bytes.substr(0, end + 1), expect_refused);
}

/// `rounds` damaged copies of what `index` saves, a third of them cut and the others with one bit
/// flipped, are refused with a typed error. A flip in the padding between sections is the one kind
/// that may go unseen: it changes nothing.
template <typename Index>
void expect_damage_refused(const Index& index, int rounds) {
  const testing::TempDirectory directory;
  const std::string path = directory / "index";
  REQUIRE(index.save(path));
  const std::string bytes = testing::bytes_of_file(path);
  Random random(99);
  for (int round = 0; round < rounds; ++round) {
    std::string damaged = bytes;
    if (round % 3 == 0) {
      damaged.resize(random.below(bytes.size()));
    } else {
      damaged[random.below(bytes.size())] ^= static_cast<char>(1U << random.below(8));
    }
    testing::overwrite_file(path, damaged);
    const auto loaded = Index::load(path);
    if (loaded) {
      CHECK(damaged.size() == bytes.size());
      CHECK(loaded->size() == index.size());
    } else {
      CHECK((loaded.error().code == ErrorCode::kCorruption ||
             loaded.error().code == ErrorCode::kUnsupportedFormat));
      CHECK(loaded.error().message.find(path) != std::string::npos);
    }
  }
}

}  // namespace anear::test
