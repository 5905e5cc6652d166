// Every bit of small values of the byte store flipped, and every length cut: entries of the change
// log and rows are refused; a container, which has no checksum of its own, is refused or is another
// container that can be read and merged.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <span>
#include <variant>
#include <vector>

#include "anear/quant/scalar_codes.hpp"
#include "anear/storage/checksum.hpp"
#include "collection/field_container.hpp"
#include "collection/row_files.hpp"
#include "collection/schema.hpp"
#include "collection/store_keys.hpp"
#include "support/every_change.hpp"

namespace every_byte_test {

using namespace anear;
using anear::testing::for_each_cut;
using anear::testing::for_each_flip;

TEST_CASE("Every flip and cut of an entry of the change log is refused") {
  const std::vector<keys::Change> changes = {
      {kNoSlot, 3, "new"}, {4, kNoSlot, "gone"}, {5, 5, "fields alone"}};
  const std::string bytes = keys::encode_changes(changes);
  const auto read = keys::decode_changes(bytes);
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  for_each_flip(bytes, [](const std::string& flipped, std::size_t at) {
    CAPTURE(at);
    REQUIRE(keys::decode_changes(flipped).error().code == ErrorCode::kCorruption);
  });
  for_each_cut(bytes, [](const std::string& cut) {
    REQUIRE(keys::decode_changes(cut).error().code == ErrorCode::kCorruption);
  });
  CHECK_FALSE(keys::decode_changes(bytes + '\0'));
  // More than the count says, behind a checksum that fits.
  const std::string body = bytes.substr(8) + '\0';
  const std::uint64_t checksum = storage::checksum64(std::string_view(body));
  CHECK_FALSE(
      keys::decode_changes(std::string(reinterpret_cast<const char*>(&checksum), 8) + body));
}

TEST_CASE("Every flip and cut of a stored row is refused, and so is another dimension") {
  const std::vector<float> numbers = {1.0F, -0.0F, 3.5e-38F, 7.0F};
  const std::string bytes = keys::encode_row(std::span<const float>(numbers));
  REQUIRE(keys::decode_row(bytes, 4, ScalarKind::kF32));
  CHECK_FALSE(keys::decode_row(bytes, 3, ScalarKind::kF32));
  CHECK_FALSE(keys::decode_row(bytes, 4, ScalarKind::kF16));
  for_each_flip(bytes, [](const std::string& flipped, std::size_t at) {
    CAPTURE(at);
    REQUIRE(keys::decode_row(flipped, 4, ScalarKind::kF32).error().code == ErrorCode::kCorruption);
  });
  for_each_cut(bytes, [](const std::string& cut) {
    REQUIRE(keys::decode_row(cut, 4, ScalarKind::kF32).error().code == ErrorCode::kCorruption);
  });
}

TEST_CASE("Every flip and cut of the mark of an erase is refused") {
  const std::string bytes = keys::encode_erase_mark({.sequence = 7, .records = 8, .begun = -9});
  const auto read = keys::decode_erase_mark(bytes);
  REQUIRE(read);
  CHECK((read->sequence == 7 && read->records == 8 && read->begun == -9));
  for_each_flip(bytes, [](const std::string& flipped, std::size_t) {
    REQUIRE_FALSE(keys::decode_erase_mark(flipped));
  });
  for_each_cut(bytes, [](const std::string& cut) { REQUIRE_FALSE(keys::decode_erase_mark(cut)); });
  CHECK_FALSE(keys::decode_erase_mark(bytes + '\0'));
}

TEST_CASE("A slot or sequence of another length is refused") {
  const std::string slot = keys::encode_slot(77);
  const std::string sequence = keys::encode_sequence(78);
  for (std::size_t size = 0; size < 12; ++size) {
    const std::string bytes = sequence.substr(0, size) + std::string(size > 8 ? size - 8 : 0, 'x');
    CHECK(keys::decode_slot(bytes).has_value() == (size == 4));
    CHECK(keys::decode_sequence(bytes).has_value() == (size == 8));
  }
  CHECK(*keys::decode_slot(slot) == 77);
}

TEST_CASE("Every flip and cut of a container is refused or is a container") {
  std::vector<std::uint16_t> many(4'097);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::uint16_t>(3 * i);
  const std::vector<std::uint16_t> few = {1, 7, 9, 65'535}, others = {2, 8};
  const std::string change = encode_change(few, others);
  const std::vector<std::string> containers = {change, *merge_containers(std::nullopt, change),
                                               encode_change(many, {}),
                                               *merge_containers(encode_change(many, {}), change)};
  static ContainerBits bits;
  std::size_t refused = 0;
  const auto check = [&](const std::string& bytes) {
    bits.fill(0);
    const bool readable = unite_container(bytes, bits);
    const auto merged = merge_containers(change, bytes);
    if (!merged) ++refused;
    // A slot that is both added and removed is seen where it matters, in the merge.
    if (!readable) REQUIRE_FALSE(merged);
    if (!merged) return;
    bits.fill(0);
    REQUIRE(unite_container(*merged, bits));
  };
  for (const std::string& bytes : containers) {
    const std::size_t end = std::min<std::size_t>(bytes.size(), 64);
    for_each_flip(bytes, 0, end, [&](const std::string& flipped, std::size_t) { check(flipped); });
    for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 64) {
      const std::size_t before = refused;
      check(bytes.substr(0, size));
      CHECK(refused == before + 1);
    }
  }
}

TEST_CASE("A row file without the rows that a schema asks for is refused") {
  const std::size_t stride = ScalarCodes::stride_of(4, ScalarKind::kF32);
  std::vector<std::byte> memory(4 * stride);
  const auto bytes = std::span(memory);
  VectorSchema vector{.name = "v", .dimension = 4, .metric = Metric::kL2};
  storage::Image file;
  file.sections = {{"rows", stride, 3, bytes.first(3 * stride)}, {"slots", 4, 3, bytes.first(12)}};
  const auto inside = look_into(file, vector);
  REQUIRE(inside);
  CHECK(inside->slots.size() == 3);
  SECTION("another dimension") { vector.dimension = 40; }
  SECTION("more slots than rows") { file.sections[1] = {"slots", 4, 4, bytes.first(16)}; }
  SECTION("fewer rows") { file.sections[0] = {"rows", stride, 2, bytes.first(2 * stride)}; }
  SECTION("slots of another size") { file.sections[1] = {"slots", 2, 3, bytes.first(6)}; }
  SECTION("no rows") { file.sections.erase(file.sections.begin()); }
  SECTION("no slots") { file.sections.pop_back(); }
  const auto refused = look_into(file, vector);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kCorruption);
}

TEST_CASE("A parameter that an index cannot have is read as its default") {
  storage::CollectionManifest manifest;
  manifest.name = "docs";
  manifest.vectors = {{"v", 4, Metric::kL2, ScalarKind::kF32, "hnsw", {}}};
  for (const double codes : {300.0, 256.0, -1.0, 1e300, std::nan("")}) {
    CAPTURE(codes);
    manifest.vectors[0].parameters = {{"codes", codes}, {"links_max", 7}};
    const auto schema = schema_of(manifest);
    REQUIRE(schema);
    const auto& options = std::get<HnswOptions>(schema->vectors[0].index);
    CHECK(options.codes == HnswOptions{}.codes);
    CHECK(options.links_max == 7);
  }
  manifest.vectors[0].parameters = {{"codes", 99}};
  CHECK(schema_of(manifest).error().code == ErrorCode::kCorruption);
}

}  // namespace every_byte_test
