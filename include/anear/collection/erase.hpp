// What a caller decides about erasing records, and is told of it. The calls are Collection's and
// Store::resume_erase(); where the bytes of a record may stand is listed in docs/FORMAT.md.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "anear/core/progress.hpp"
#include "anear/core/types.hpp"

namespace anear {

/// How records are erased.
struct EraseOptions {
  /// How long calls that began before, pinned handles and a running backup are waited for.
  std::uint32_t wait_ms = 10'000;
  /// Removes the directories in which recover() and repair() kept what they took out of use, too,
  /// with all that is in them. False: the receipt names them.
  bool remove_lost_copies = false;
  ProgressCallback progress{};  ///< In steps; from the calling thread. False: kCancelled.
};

/// What was erased, what was written anew for it, and what may still hold it.
struct EraseReceipt {
  struct File {
    std::string path;  ///< In the store's directory.
    std::uint64_t bytes = 0;
    std::string checksum;  ///< "crc32c:…" of a table's bytes, "xxh3-128:…" of an image's or row
                           ///< file's header and section table, where its blocks' checksums stand.
  };
  std::string collection;
  /// The commit from which on the records are gone. All that the collection had removed or replaced
  /// before it is erased as well.
  Sequence sequence = 0;
  std::uint64_t records = 0;  ///< Deleted by that commit, and by erasures that this one finished.
  std::int64_t begun = 0;     ///< Microseconds UTC.
  std::int64_t finished = 0;
  std::uint64_t indexes = 0;     ///< Built anew, without the rows.
  std::uint64_t containers = 0;  ///< Of fields' values that no record has any more.
  std::uint64_t changes = 0;     ///< Entries of the change log.
  std::vector<File> files{};     ///< Those of the collection and of the records as they are now.
  std::vector<std::string> removed{};      ///< Files that are gone, by their paths.
  std::vector<std::string> outstanding{};  ///< What may still hold the records, for people.
};

}  // namespace anear
