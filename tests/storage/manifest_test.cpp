#include "anear/storage/manifest.hpp"

#include <catch2/catch.hpp>

namespace manifest_test {

using namespace anear;
using namespace anear::storage;

namespace {

CollectionManifest sample() {
  CollectionManifest manifest;
  manifest.number = 7;
  manifest.name = "docs";
  manifest.created = 1'700'000'000'000'000;
  manifest.vectors = {
      {"text", 384, Metric::kCosine, ScalarKind::kF16, "hnsw", {{"links", 16}, {"ef", 200}}},
      {"image", 512, Metric::kL2, ScalarKind::kF32, "flat", {}}};
  manifest.fields = {{"section", FieldType::kString}, {"tags", FieldType::kStringList}};
  manifest.dynamic = true;
  manifest.images = {{"7-0-12.image", 12, 0, 90, {{"7-0-3.rows", 64}, {"7-0-4.rows", 20}}}};
  manifest.next_slot = 99;
  manifest.next_file = 5;
  return manifest;
}

}  // namespace

TEST_CASE("A collection's manifest comes back as it was written") {
  const auto manifest = decode_manifest(encode_manifest(sample()));
  REQUIRE(manifest);
  CHECK((*manifest == sample()));
  const auto empty = decode_manifest(encode_manifest(CollectionManifest{}));
  REQUIRE(empty);
  CHECK((*empty == CollectionManifest{}));
}

TEST_CASE("The store's own manifest comes back as it was written") {
  StoreMeta meta;
  meta.identity.id[3] = 0xab;
  meta.identity.created = 5;
  meta.next_collection = 8;
  const auto read = decode_store_meta(encode_store_meta(meta));
  REQUIRE(read);
  CHECK(read->identity.id == meta.identity.id);
  CHECK(read->identity.format == kFormatVersion);
  CHECK(read->identity.created == 5);
  CHECK(read->next_collection == 8);
}

TEST_CASE("A manifest that is damaged, or of another sort, is refused") {
  const std::string bytes = encode_manifest(sample());
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    REQUIRE_FALSE(decode_manifest(flipped));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE_FALSE(decode_manifest(bytes.substr(0, size)));
  }
  CHECK_FALSE(decode_store_meta(bytes));
  CHECK_FALSE(decode_manifest(encode_store_meta(StoreMeta{})));
}

TEST_CASE("A manifest cannot name an image outside of the images' directory") {
  for (const char* name : {"../ANEAR", "a/b", "", ".", ".."}) {
    CollectionManifest manifest = sample();
    manifest.images[0].file = name;
    const auto read = decode_manifest(encode_manifest(manifest));
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kCorruption);
  }
}

}  // namespace manifest_test
