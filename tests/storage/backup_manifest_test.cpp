#include "anear/storage/backup_manifest.hpp"

#include <catch2/catch.hpp>

#include "storage/schema/backup_generated.h"
#include "storage/sealed.hpp"

namespace backup_manifest_test {

using namespace anear;
using namespace anear::storage;

namespace {

BackupManifest example() {
  BackupManifest manifest;
  manifest.number = 7;
  manifest.sequence = 1'234;
  manifest.created = 99;
  manifest.store.id = {1, 2, 3};
  manifest.store.created = 98;
  manifest.files = {{"records/000012.sst", 5'000, {11, 12}, "table 000012.sst 5000 3"},
                    {"records/CURRENT", 16, {13, 14}, ""},
                    {"images/1-0-1.image", 70'000, {15, 16}, "image 15"}};
  return manifest;
}

}  // namespace

TEST_CASE("A backup's manifest comes back") {
  const BackupManifest manifest = example();
  const auto back = decode_backup(encode_backup(manifest));
  REQUIRE(back);
  CHECK(back->number == 7);
  CHECK(back->sequence == 1'234);
  CHECK(back->created == 99);
  CHECK(back->store.id == manifest.store.id);
  CHECK(back->store.created == 98);
  CHECK(back->store.format == kFormatVersion);
  CHECK(back->files == manifest.files);
  CHECK(back->bytes() == 75'016);
}

TEST_CASE("Each flipped bit and each cut of a backup's manifest is noticed") {
  const std::string bytes = encode_backup(example());
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string flipped = bytes;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << i % 8));
    CHECK_FALSE(decode_backup(flipped));
  }
  for (std::size_t length = 0; length < bytes.size(); ++length)
    CHECK_FALSE(decode_backup(bytes.substr(0, length)));
}

TEST_CASE("A backup's manifest names files of a store's directories, each once") {
  for (const std::string path :
       {"", "CURRENT", "ANEAR", "/records/a", "records", "records/", "records/.", "records/..",
        "records/a/b", "../records/a", "files/a", "images/../rows/a"}) {
    INFO(path);
    BackupManifest manifest = example();
    manifest.files[1].path = path;
    CHECK_FALSE(decode_backup(encode_backup(manifest)));
  }
  BackupManifest twice = example();
  twice.files[1].path = twice.files[0].path;
  CHECK_FALSE(decode_backup(encode_backup(twice)));
}

TEST_CASE("A backup's manifest of a newer format is refused as that") {
  flatbuffers::FlatBufferBuilder builder;
  const std::vector<std::uint8_t> id(16);
  const std::vector<flatbuffers::Offset<fb::BackupFile>> none;
  builder.Finish(
      fb::CreateBackupDirect(builder, kBackupFormatVersion + 1, 1, 1, 1, 1, &id, 1, &none));
  const auto newer = decode_backup(seal(builder));
  REQUIRE_FALSE(newer);
  CHECK(newer.error().code == ErrorCode::kUnsupportedFormat);
  CHECK(newer.error().subcode == Subcode::kNewerFormat);
}

}  // namespace backup_manifest_test
