#include "collection/headroom.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "collection/allowance.hpp"
#include "collection/indexer.hpp"
#include "collection/store_runtime.hpp"

namespace anear {
namespace {

constexpr std::uint64_t kLogBytesMax = 128 * kMiB, kMergedBytesMax = 128 * kMiB;

/// What a written byte takes before it is at rest: in the log, and in a table.
constexpr std::uint64_t kCopies = 2;

/// Writes are taken again a little above the reserve, not one by one at its edge.
std::uint64_t margin_of(std::uint64_t reserve) { return reserve / 8; }

}  // namespace

bool Headroom::is_off() const noexcept {
  return runtime_.is_in_memory() || runtime_.options.read_only ||
         runtime_.options.reserved_bytes == std::uint64_t{0};
}

Status Headroom::admit(std::uint64_t bytes) {
  if (is_off()) return {};
  const std::uint64_t cost = kCopies * bytes;
  if (allowance_.take(cost)) return {};
  const std::lock_guard one(looking_);
  const std::optional<Space> space = measure();
  Status fits = judge(space, cost);
  if (fits || !space || space->to_flush == 0) return fits;
  return judge(measure_for(space->reserve + margin_of(space->reserve) + cost), cost);
}

void Headroom::make_way(std::uint64_t bytes) {
  if (is_off()) return;
  if (allowance_.take(kCopies * bytes)) return;
  const std::lock_guard one(looking_);
  const std::optional<Space> space = measure();
  (void)judge(space && space->usable() < space->reserve ? measure_for(space->reserve) : space, 0);
}

Status Headroom::check_room(std::uint64_t bytes) const {
  if (is_off()) return {};
  const std::optional<Space> first = measure();
  if (!first) return {};
  const std::uint64_t wanted = bytes + first->for_log;
  const std::optional<Space> space = measure_for(wanted);
  if (!space || space->usable() >= wanted) return {};
  return Error{ErrorCode::kNoSpace,
               "files of " + bytes_in_words(bytes) + " are to be written, and " +
                   bytes_in_words(space->disk.free_bytes) + " of the disk are free, of which " +
                   bytes_in_words(first->for_log + space->to_flush) +
                   " are kept for the log and its tables"};
}

Headroom::Look Headroom::look() {
  if (runtime_.is_in_memory()) return {};
  const std::optional<Space> space = measure();
  if (!space) return {};
  Look seen{space->disk.free_bytes, space->reserve, {}};
  if (is_off()) return seen;
  const std::lock_guard one(looking_);
  seen.admits = judge(space, 0);
  return seen;
}

std::optional<Headroom::Space> Headroom::measure() const {
  const auto disk = runtime_.files->space(runtime_.path);
  if (!disk) return std::nullopt;
  const auto bytes = runtime_.pinned_bytes();
  Space space{*disk, 0, 0, 0};
  // Tables are merged by parts, small ones as a whole.
  space.for_log = std::min(kLogBytesMax, disk->capacity_bytes / 16);
  if (bytes != nullptr) {
    space.to_flush = bytes->bytes_to_flush();
    space.for_log += std::min(kMergedBytesMax, bytes->bytes_of_tables());
  }
  space.reserve = runtime_.options.reserved_bytes.value_or(
      std::min(space.for_log + bytes_to_compact(), disk->capacity_bytes / 2));
  space.for_log = std::min(space.for_log, space.reserve / 2);
  return space;
}

/// What waits in memory is in the log as well, which goes when it is flushed: where that has room,
/// it gives some.
std::optional<Headroom::Space> Headroom::measure_for(std::uint64_t wanted) const {
  const std::optional<Space> space = measure();
  if (!space || space->usable() >= wanted) return space;
  // A table takes less than what it holds takes in memory. Not many small ones.
  const bool is_worth_it = space->to_flush >= space->disk.free_bytes / 4;
  const auto bytes = runtime_.writable_bytes();
  if (!is_worth_it || space->usable() == 0 || bytes == nullptr) return space;
  if (Status flushed = bytes->flush(); !flushed) {
    runtime_.log("making room: " + flushed.error().message);
    return space;
  }
  return measure();
}

/// An index is built anew when two fifths of its rows are deleted, beside its files.
std::uint64_t Headroom::bytes_to_compact() const {
  std::uint64_t largest = largest_images_;
  if (runtime_.indexer != nullptr)
    largest = std::max(largest, runtime_.indexer->largest_image_bytes());
  return largest / 4 * 3;
}

/// `looking_` is held.
Status Headroom::judge(const std::optional<Space>& space, std::uint64_t cost) {
  if (!space) {
    (void)allowance_.settle(std::numeric_limits<std::int64_t>::max(), 0, 0);
    return {};
  }
  const std::uint64_t usable = space->usable();
  if (const auto bytes = runtime_.writable_bytes()) bytes->leave_to_compaction(usable);
  constexpr std::uint64_t kAll = std::numeric_limits<std::int64_t>::max();
  const std::int64_t left = static_cast<std::int64_t>(std::min(usable, kAll)) -
                            static_cast<std::int64_t>(std::min(space->reserve, kAll));
  if (allowance_.settle(left, cost, margin_of(space->reserve))) return {};
  std::string message =
      "the disk of '" + runtime_.path + "' has " + bytes_in_words(space->disk.free_bytes) + " free";
  if (space->to_flush != 0)
    message += ", of which " + bytes_in_words(space->to_flush) + " are for what is in memory";
  message += "; " + bytes_in_words(space->reserve) + " are reserved for deletes and compaction";
  if (!is_full()) message += ", and this batch takes up to " + bytes_in_words(cost);
  message +=
      ". Nothing was written; delete records, free space, or open the store with another "
      "reserved_bytes. Writes are taken again when there is space";
  return Error{ErrorCode::kNoSpace, message};
}

}  // namespace anear
