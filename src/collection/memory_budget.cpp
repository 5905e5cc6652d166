#include "collection/memory_budget.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <variant>

#include "anear/index/any_index.hpp"  // IWYU pragma: keep (AnyIndex is only declared elsewhere)
#include "collection/allowance.hpp"
#include "collection/indexer.hpp"
#include "collection/store_runtime.hpp"

namespace anear {
namespace {

constexpr std::uint64_t kLeast = 16 * kMiB;

/// Of a position and its row, about.
std::uint64_t index_bytes_a_row(const VectorSchema& vector) {
  constexpr std::uint64_t kMaps = 16;  // Slot and position, and what rows are aligned to.
  const std::uint64_t row = vector.dimension * bytes_of(vector.kind) + kMaps;
  if (const auto* hnsw = std::get_if<HnswOptions>(&vector.index)) {
    const std::uint64_t links = std::uint64_t{2} * hnsw->links_max + 4;
    return row + vector.dimension * bytes_of(hnsw->codes) + kMaps + links * sizeof(Position);
  }
  // Those of an exact index have eight bits a number, those of IVF-PQ no more.
  return row + vector.dimension + kMaps;
}

/// Beside their bytes: keys, the rows once more until they are indexed, which the bytes stand for,
/// and the index with its copy.
std::uint64_t bytes_to_hold(const CollectionSchema& schema, std::size_t records,
                            std::uint64_t bytes) {
  constexpr std::uint64_t kKey = 32;
  std::uint64_t a_record = kKey;
  for (const VectorSchema& vector : schema.vectors) a_record += 2 * index_bytes_a_row(vector);
  return bytes + records * a_record;
}

std::uint64_t fitted(std::uint64_t bytes_max, std::uint64_t part, std::uint64_t fewest,
                     std::uint64_t most) {
  return bytes_max == 0 ? most : std::clamp(bytes_max / part, fewest, most);
}

}  // namespace

void MemoryUse::add(const CollectionVersion& version) {
  bytes += version.keys->bytes();
  for (const SearchedVector& vector : version.vectors) {
    bytes += vector.index->bytes() + vector.tail.bytes();
    largest_index = std::max<std::uint64_t>(largest_index, vector.index->bytes());
  }
}

Status check_memory_bytes_max(const StoreOptions& options) {
  if (options.memory_bytes_max == 0 || options.memory_bytes_max >= kLeast) return {};
  return invalid_argument("memory_bytes_max is " + std::to_string(options.memory_bytes_max) +
                          "; it must be 0 (no bound) or at least " + std::to_string(kLeast));
}

std::uint64_t database_buffer_bytes(const StoreOptions& options) noexcept {
  return fitted(options.memory_bytes_max, 8, 4 * kMiB, 32 * kMiB);
}

std::uint64_t filter_cache_bytes(const StoreOptions& options) noexcept {
  return fitted(options.memory_bytes_max, 16, kMiB, 64 * kMiB);
}

bool MemoryBudget::is_off() const noexcept {
  return runtime_.options.memory_bytes_max == 0 || runtime_.options.read_only;
}

Result<MemoryBudget::Pending> MemoryBudget::admit(const CollectionSchema& schema,
                                                  std::size_t records, std::uint64_t bytes) {
  if (is_off()) return Pending();
  const std::uint64_t cost = bytes_to_hold(schema, records, bytes);
  Pending pending(pending_, cost);
  const auto decide = [&] {
    const std::lock_guard one(looking_);
    Status fits = judge(cost);
    tight_ = !fits;
    return fits;
  };
  Status fits;
  if (!allowance_.take(cost)) fits = decide();
  // Inline, there is something to see at once.
  if (!fits && runtime_.indexer->give_memory_back()) fits = decide();
  if (!fits) return std::move(fits).error();
  return pending;
}

Status MemoryBudget::look() {
  if (is_off() || allowance_.take(0)) return {};
  const std::lock_guard one(looking_);
  return judge(0);
}

std::uint64_t MemoryBudget::bytes_in_use(const MemoryUse& collections) {
  const auto database = runtime_.pinned_bytes();
  return collections.bytes + runtime_.filters.bytes() +
         (database == nullptr ? 0 : database->bytes_in_memory());
}

/// `looking_` is held, and `cost` is pending.
Status MemoryBudget::judge(std::uint64_t cost) {
  constexpr std::uint64_t kNoBound = std::numeric_limits<std::int64_t>::max();
  const std::uint64_t most = std::min(runtime_.options.memory_bytes_max, kNoBound);
  const MemoryUse collections = runtime_.indexer->memory_use();
  // Buffers and caches fill up to their size whether anything is added or not.
  std::uint64_t kept = filter_cache_bytes(runtime_.options);
  if (!runtime_.is_in_memory()) kept += 2 * database_buffer_bytes(runtime_.options);
  const std::uint64_t in_use =
      std::max(bytes_in_use(collections), collections.bytes + kept) + pending_ - cost;
  const std::uint64_t copy = collections.largest_index;
  const std::int64_t left =
      static_cast<std::int64_t>(most) - static_cast<std::int64_t>(in_use + copy);
  if (allowance_.settle(left, cost, most / 32)) return {};
  std::string message = "the store '" + runtime_.path + "' takes " + bytes_in_words(in_use) +
                        " of memory, and may take " + bytes_in_words(most) + ", of which " +
                        bytes_in_words(copy) + " are kept for a copy of its largest index";
  if (!allowance_.is_full()) message += "; this batch takes up to " + bytes_in_words(cost);
  message +=
      ". Nothing was written; delete records, drop collections, or open the store with a larger "
      "memory_bytes_max. Writes are taken again when there is room";
  return Error{ErrorCode::kLimitExceeded, message};
}

}  // namespace anear
