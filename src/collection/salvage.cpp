#include "collection/salvage.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "collection/store_opening.hpp"

namespace anear {
namespace {

using storage::FileMove;
using storage::FileSystem;
using storage::OpenMode;
using storage::path_in;

constexpr std::size_t kCopyBytes = 1 << 20;
constexpr std::string_view kTableSuffix = ".sst";
constexpr int kCopiesMax = 1'000;

/// Copies the bytes of `names.from` into the new file `names.to`, synced.
Status copy_file(FileSystem& files, const FileMove& names) {
  const auto from = files.open(names.from, OpenMode::kRead);
  if (!from) return from.error();
  const auto to = files.open(names.to, OpenMode::kCreateNew);
  if (!to) return to.error();
  const auto buffer = std::make_unique<std::array<std::byte, kCopyBytes>>();
  for (std::uint64_t offset = 0;;) {
    const auto got = (*from)->read_at(offset, *buffer);
    if (!got) return got.error();
    if (*got == 0) break;
    if (Status wrote = (*to)->append(std::span(*buffer).first(*got)); !wrote) return wrote;
    offset += *got;
  }
  if (Status synced = (*to)->sync(); !synced) return synced;
  return (*to)->close();
}

/// Copies what an open for writing would change: the marks, and of the records the log and lists.
/// Tables stay as they are.
Result<std::string> copy_log(const StoreRuntime& runtime, Sequence marked) {
  FileSystem& files = *runtime.files;
  const std::string records = path_in(runtime.path, storage::kRecordsDirectory);
  const auto names = files.list(records);
  if (!names) return names.error();
  auto copy = make_lost_directory(runtime, marked);
  if (!copy) return copy;
  for (const std::string& name : *names) {
    if (name.ends_with(kTableSuffix)) continue;
    const FileMove pair{path_in(records, name), path_in(*copy, name)};
    if (Status copied = copy_file(files, pair); !copied) return std::move(copied).error();
  }
  const FileMove marks{path_in(runtime.path, storage::kMarkFile),
                       path_in(*copy, storage::kMarkFile)};
  if (Status copied = copy_file(files, marks); !copied) return std::move(copied).error();
  for (const std::string& directory : {*copy, runtime.path}) {
    if (Status synced = files.sync_directory(directory); !synced) return std::move(synced).error();
  }
  return copy;
}

}  // namespace

Result<std::string> make_lost_directory(const StoreRuntime& runtime, Sequence sequence) {
  const std::string first = path_in(runtime.path, storage::kLostPrefix + std::to_string(sequence));
  for (int number = 1; number <= kCopiesMax; ++number) {
    std::string path = number == 1 ? first : first + "-" + std::to_string(number);
    const auto there = runtime.files->exists(path);
    if (!there) return there.error();
    if (*there) continue;
    if (Status made = runtime.files->make_directory(path); !made) return std::move(made).error();
    return path;
  }
  return Error{ErrorCode::kLimitExceeded, "'" + first + "' and its like are " +
                                              std::to_string(kCopiesMax) +
                                              " copies already; move some of them elsewhere"};
}

Result<SalvageReport> salvage(StoreRuntime& runtime) {
  if (Status ready = settle_path(runtime); !ready) return std::move(ready).error();
  if (Status ready = prepare_directory(runtime); !ready) return std::move(ready).error();
  auto mark = storage::HighWaterMark::open(*runtime.files, runtime.path, runtime.identity.id);
  if (!mark) return std::move(mark).error();
  const storage::HighWaterMark::Reading& reading = mark->reading();
  const auto recovered = recoverable_sequence(runtime, reading);
  if (!recovered) return recovered.error();
  SalvageReport report{*recovered, reading.sequence, {}};
  if (*recovered >= reading.sequence) return report;

  auto copy = copy_log(runtime, reading.sequence);
  if (!copy) return std::move(copy).error();
  report.copy = std::move(*copy);
  // The same in another file: a reader that has seen what is given up is told.
  if (Status named = storage::write_identity(*runtime.files, runtime.path, runtime.identity);
      !named)
    return std::move(named).error();
  // The last step: until both marks are lowered the store is refused as before.
  if (Status lowered = mark->lower(*recovered); !lowered) return std::move(lowered).error();
  return report;
}

}  // namespace anear
