#include "rocksdb_checkpoint.hpp"

#include <rocksdb/metadata.h>
#include <rocksdb/options.h>

#include <limits>
#include <string>

namespace anear::storage {
namespace {

BackupSource source_of(const rocksdb::LiveFileStorageInfo& file) {
  BackupSource source{
      .path = file.relative_filename, .bytes = file.size, .contents = file.replacement_contents};
  if (file.file_type != rocksdb::kTableFile) return source;
  source.crc32c = crc32c_of(file);
  // Numbers are given out again in a store that was restored and went another way: with its length
  // and checksum a table is known all the same.
  if (source.crc32c) {
    source.identity = "table " + file.relative_filename + " " + std::to_string(file.size) + " " +
                      std::to_string(*source.crc32c);
  }
  return source;
}

}  // namespace

// What FileChecksumGenCrc32c makes: four bytes, the highest first.
std::optional<std::uint32_t> crc32c_of(const rocksdb::FileStorageInfo& file) {
  if (file.file_checksum_func_name != "FileChecksumCrc32c" || file.file_checksum.size() != 4)
    return {};
  std::uint32_t checksum = 0;
  for (const char byte : file.file_checksum)
    checksum = checksum << 8 | static_cast<std::uint8_t>(byte);
  return checksum;
}

std::vector<StoredFile> live_tables(rocksdb::DB& db) {
  std::vector<rocksdb::LiveFileMetaData> live;
  db.GetLiveFilesMetaData(&live);
  std::vector<StoredFile> tables;
  tables.reserve(live.size());
  for (const rocksdb::LiveFileMetaData& table : live)
    tables.push_back({table.relative_filename, table.size, crc32c_of(table)});
  return tables;
}

rocksdb::Status live_files(rocksdb::DB& db, std::vector<BackupSource>& files) {
  rocksdb::LiveFilesStorageInfoOptions options;
  options.include_checksum_info = true;
  options.wal_size_for_flush =
      std::numeric_limits<std::uint64_t>::max();  // Never: it would take long.
  std::vector<rocksdb::LiveFileStorageInfo> live;
  rocksdb::Status listed = db.GetLiveFilesStorageInfo(options, &live);
  if (!listed.ok()) return listed;
  std::string identity;
  if (const rocksdb::Status known = db.GetDbIdentity(identity); !known.ok()) return known;
  files.reserve(live.size() + 1);
  for (const rocksdb::LiveFileStorageInfo& file : live) {
    // What the options were is not needed to open it: ours are fixed.
    if (file.file_type != rocksdb::kOptionsFile) files.push_back(source_of(file));
  }
  // Not among the live ones, and missed by an open that may not make it.
  files.push_back({.path = "IDENTITY", .bytes = identity.size(), .contents = identity});
  return {};
}

}  // namespace anear::storage
