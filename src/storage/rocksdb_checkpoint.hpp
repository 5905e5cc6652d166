// Which files an open RocksDB consists of.
//
// Threads: beside everything but writes.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/metadata.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "anear/storage/backup_source.hpp"
#include "anear/storage/stored_file.hpp"

namespace anear::storage {

/// The files of `db` as they stand now, with what was written since the last flush in the log's.
/// None of them may be removed meanwhile (DisableFileDeletions). Tables have an identity.
rocksdb::Status live_files(rocksdb::DB& db, std::vector<BackupSource>& files);

/// The tables of this moment. May be called beside everything.
std::vector<StoredFile> live_tables(rocksdb::DB& db);

/// The CRC-32C that RocksDB keeps of a file, if it does.
std::optional<std::uint32_t> crc32c_of(const rocksdb::FileStorageInfo& file);

}  // namespace anear::storage
