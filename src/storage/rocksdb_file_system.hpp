// Makes RocksDB do every file operation through our FileSystem.
//
// Derived from rocksdb::FileSystem and not from its wrapper: what is not stated here is refused as
// unsupported, and cannot go past us to the operating system.
//
// Threads: as rocksdb::FileSystem asks: any thread.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

#include "anear/storage/file_system.hpp"

namespace anear::storage {

std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(std::shared_ptr<FileSystem> files);

}  // namespace anear::storage
