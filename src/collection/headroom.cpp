#include "collection/headroom.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "collection/indexer.hpp"
#include "collection/store_runtime.hpp"

namespace anear {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

constexpr std::uint64_t kLogBytesMax = 128 * kMiB, kMergedBytesMax = 128 * kMiB;

/// What a written byte takes before it is at rest: in the log, and in a table.
constexpr std::uint64_t kCopies = 2;

std::int64_t steady_ms() noexcept {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Writes are taken again a little above the reserve, not one by one at its edge.
std::uint64_t margin_of(std::uint64_t reserve) { return reserve / 8; }

std::string in_words(std::uint64_t bytes) {
  if (bytes < 10 * kMiB) return std::to_string(bytes) + " bytes";
  return std::to_string(bytes / kMiB) + " MiB";
}

}  // namespace

bool Headroom::is_off() const noexcept {
  return runtime_.is_in_memory() || runtime_.options.read_only ||
         runtime_.options.reserved_bytes == std::uint64_t{0};
}

Status Headroom::admit(std::uint64_t bytes) {
  if (is_off()) return {};
  const auto cost = static_cast<std::int64_t>(kCopies * bytes);
  if (allowance_.fetch_sub(cost) >= cost && steady_ms() < look_at_ms_) return {};
  const std::lock_guard one(looking_);
  const std::optional<Space> space = measure();
  Status fits = judge(space, kCopies * bytes);
  if (fits || !space || space->to_flush == 0) return fits;
  return judge(measure_for(space->reserve + margin_of(space->reserve) + kCopies * bytes),
               kCopies * bytes);
}

void Headroom::make_way(std::uint64_t bytes) {
  if (is_off()) return;
  const auto cost = static_cast<std::int64_t>(kCopies * bytes);
  if (allowance_.fetch_sub(cost) >= cost && steady_ms() < look_at_ms_) return;
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
  return Error{ErrorCode::kNoSpace, "files of " + in_words(bytes) + " are to be written, and " +
                                        in_words(space->disk.free_bytes) +
                                        " of the disk are free, of which " +
                                        in_words(first->for_log + space->to_flush) +
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
  constexpr std::int64_t kLookEveryMs = 100;
  constexpr std::uint64_t kAllowanceMost = 64 * kMiB;
  look_at_ms_ = steady_ms() + kLookEveryMs;
  if (!space) {
    full_ = false;
    allowance_ = kAllowanceMost;
    return {};
  }
  const std::uint64_t usable = space->usable();
  if (const auto bytes = runtime_.writable_bytes()) bytes->leave_to_compaction(usable);
  // A batch that is refused for its size alone leaves the store open to others.
  const std::uint64_t margin = margin_of(space->reserve);
  full_ = usable < space->reserve + (full_ ? margin : std::min(cost, margin));
  if (!full_ && usable >= space->reserve + cost) {
    // A part only: what was admitted takes more than its bytes until it is at rest.
    const std::uint64_t part = (usable - space->reserve - cost) / 4;
    allowance_ = static_cast<std::int64_t>(std::min(part, kAllowanceMost));
    return {};
  }
  allowance_ = 0;
  std::string message =
      "the disk of '" + runtime_.path + "' has " + in_words(space->disk.free_bytes) + " free";
  if (space->to_flush != 0)
    message += ", of which " + in_words(space->to_flush) + " are for what is in memory";
  message += "; " + in_words(space->reserve) + " are reserved for deletes and compaction";
  if (!full_) message += ", and this batch takes up to " + in_words(cost);
  message +=
      ". Nothing was written; delete records, free space, or open the store with another "
      "reserved_bytes. Writes are taken again when there is space";
  return Error{ErrorCode::kNoSpace, message};
}

}  // namespace anear
