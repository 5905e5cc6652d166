// Makes RocksDB do every file operation through our FileSystem.
//
// Derived from rocksdb::FileSystem and not from its wrapper: what is not stated here is refused as
// unsupported, and cannot go past us to the operating system.
//
// Threads: as rocksdb::FileSystem asks: any thread.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

#include "anear/storage/file_list.hpp"
#include "anear/storage/file_system.hpp"

namespace anear::storage {

/// `tracker` is told what becomes of the database's lists of files.
std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(
    std::shared_ptr<FileSystem> files, std::shared_ptr<FileListTracker> tracker);

}  // namespace anear::storage
