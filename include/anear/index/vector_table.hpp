// What every index keeps of its vectors: rows, optional codes to walk on, and which slot stands at
// which position.
//
// Invariants
//   (1) A position is written before anything leads to it: rows and codes first, then its slot,
//   then the count. (2) slots[position] is kNoSlot once the position is deleted; the position
//   itself stays. (3) positions[slot] is the one position of the slot.
//
// Threads: one writer appends; any number of readers search, and mark_deleted() may run, beside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/error.hpp"
#include "anear/core/parallel.hpp"
#include "anear/index/options.hpp"
#include "anear/index/scratch.hpp"
#include "anear/index/sections.hpp"
#include "anear/index/wanted.hpp"
#include "anear/quant/scalar_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

/// How the vectors of an index are kept. `codes` equal to `rows`: the rows are walked on and
/// nothing is stored twice.
struct TableOptions {
  Metric metric = Metric::kCosine;
  ScalarKind rows = ScalarKind::kF32;
  ScalarKind codes = ScalarKind::kF32;
};

class VectorTable {
 public:
  VectorTable(std::size_t dimension, const TableOptions& options)
      : rows_(dimension, options.metric, options.rows),
        slots_(sizeof(Slot)),
        positions_(sizeof(Position)) {
    if (options.codes != options.rows)
      codes_.emplace(dimension, options.metric, options.codes, Fit::kScaled);
  }
  VectorTable(VectorTable&& other) noexcept
      : rows_(std::move(other.rows_)),
        codes_(std::move(other.codes_)),
        slots_(std::move(other.slots_)),
        positions_(std::move(other.positions_)),
        size_(other.size_.load()),
        live_(other.live_.load()),
        slot_limit_(other.slot_limit_.load()) {}
  VectorTable& operator=(VectorTable&& other) noexcept {
    rows_ = std::move(other.rows_);
    codes_ = std::move(other.codes_);
    slots_ = std::move(other.slots_);
    positions_ = std::move(other.positions_);
    size_.store(other.size_.load());
    live_.store(other.live_.load());
    slot_limit_.store(other.slot_limit_.load());
    return *this;
  }
  ~VectorTable() = default;

  std::size_t dimension() const noexcept { return rows_.dimension(); }
  Metric metric() const noexcept { return rows_.metric(); }
  const ScalarCodes& rows() const noexcept { return rows_; }
  /// What walks read: the codes, or the rows where there are none.
  const ScalarCodes& codes() const noexcept { return codes_ ? *codes_ : rows_; }
  bool has_codes() const noexcept { return codes_.has_value(); }
  /// Positions given out, deleted ones included.
  std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  std::size_t live() const noexcept { return live_.load(std::memory_order_relaxed); }
  std::size_t bytes() const noexcept {
    // Pages of positions that no slot was written to take none.
    constexpr std::size_t kPageBytes = 4'096;
    const std::size_t positions = slot_limit_.load(std::memory_order_relaxed) * sizeof(Position);
    return size() * (rows_.stride() + (codes_ ? codes_->stride() : 0) + sizeof(Slot)) +
           std::min(positions, size() * kPageBytes);
  }
  std::size_t row_bytes() const noexcept { return size() * rows_.stride(); }

  /// The slot at `position`, kNoSlot when it was deleted.
  Slot slot(Position position) const noexcept {
    return std::atomic_ref<Slot>(slot_cell(position)).load(std::memory_order_acquire);
  }
  /// The position of `slot`, kNoPosition when it is not here.
  Position position(Slot slot) const noexcept {
    if (slot >= slot_limit_.load(std::memory_order_acquire)) return kNoPosition;
    // Stored plus one, so that fresh zeroed memory means "not here".
    return std::atomic_ref<Position>(position_cell(slot)).load(std::memory_order_acquire) - 1;
  }
  bool contains(Slot slot) const noexcept { return position(slot) != kNoPosition; }
  /// All slots are below.
  std::size_t slot_limit() const noexcept { return slot_limit_.load(std::memory_order_acquire); }

  /// Whether `rows` and `slots`, each once, can be appended. Nothing is changed.
  Status check(MatrixView rows, std::span<const Slot> slots) const;
  /// Makes room for what check() accepted, returns the first new position. Nothing is visible yet.
  Position reserve(std::span<const Slot> slots);
  /// Writes the row of one reserved position. Different positions may be written by different
  /// threads.
  void write(Position position, VectorView row);
  /// Makes the positions that were reserved for `slots` visible, after all of them were written;
  /// what stood under these slots before is deleted.
  void publish(std::span<const Slot> slots) noexcept;
  /// Returns whether `slot` was here and live.
  bool mark_deleted(Slot slot) noexcept;

  bool is_wanted(Position position, const Wanted* wanted) const noexcept {
    const Slot at = slot(position);
    return at != kNoSlot && (wanted == nullptr || wanted->contains(at));
  }

  /// How many of the nearest by their codes are compared as rows, where all codes were compared and
  /// tell them apart.
  static constexpr std::size_t rerank_depth(std::size_t k) noexcept { return 4 * k + 24; }

  /// The k nearest of the wanted slots by comparing every one of them: rows with recall 1,
  /// otherwise codes with a re-rank four times as deep as k, and rows after all where codes turn
  /// out not to tell the nearest apart (CodeErrors). Answers slots.
  std::vector<Neighbor> nearest_of(VectorView query, const SearchOptions& options, Scratch& scratch,
                                   SearchCost* cost) const;

  /// The rows of the `depth` nearest by their codes, nearest first: whatever those are worth.
  std::vector<Neighbor> nearest_by_codes(VectorView query, std::size_t depth,
                                         Scratch& scratch) const {
    codes().prepare(query, scratch.code_query);
    scratch.found.reset(depth);
    scan_wanted(codes(), nullptr, scratch, nullptr);
    return rerank(query, depth, scratch.found.sorted(), scratch, nullptr);
  }

  /// Turns positions found by code into slots with exact distances, the nearest k of them. What the
  /// codes err by is added to scratch.code_errors.
  std::vector<Neighbor> rerank(VectorView query, std::size_t k, std::vector<Neighbor>& found,
                               Scratch& scratch, SearchCost* cost) const;

  /// kCorruption when rows or codes that were read are damaged (BlockGuard): to be asked by whoever
  /// read some, before what came of it counts. AnyIndex does so.
  Status intact() const {
    Status rows = rows_.storage().intact();
    return rows && codes_ ? codes_->storage().intact() : rows;
  }
  /// Checks the rows and codes from position `first` on that were not read yet; intact().
  Status check_from(Position first) const {
    Status rows = rows_.storage().check_from(first);
    return rows && codes_ ? codes_->storage().check_from(first) : rows;
  }

  /// Every live slot leads to its position, and every code is that of its row: kCorruption with the
  /// position otherwise. Reads all; not beside mark_deleted().
  Status verify() const;

  /// Appends the sections of the table to `sections`.
  void add_sections(std::vector<SectionOut>& sections) const;
  /// Takes over what add_sections() wrote; checks counts and slots.
  Status attach(const SectionSet& set);

 private:
  static constexpr std::size_t kScanBlock = 256;

  Slot& slot_cell(Position position) const noexcept {
    return *reinterpret_cast<Slot*>(const_cast<std::byte*>(slots_.row(position)));
  }
  Position& position_cell(Slot slot) const noexcept {
    return *reinterpret_cast<Position*>(const_cast<std::byte*>(positions_.row(slot)));
  }
  static Status attach_codes(const SectionSet& set, const char* name, std::size_t count,
                             ScalarCodes& codes);
  void scan_block(const ScalarCodes& codes, const PreparedQuery& query, Scratch& scratch) const;
  /// Leaves the nearest by `compared` in scratch.found.
  void scan_wanted(const ScalarCodes& compared, const Wanted* wanted, Scratch& scratch,
                   SearchCost* cost) const;

  ScalarCodes rows_;
  std::optional<ScalarCodes> codes_;
  AlignedRows slots_;
  AlignedRows positions_;
  std::atomic<std::size_t> size_{0};
  std::atomic<std::size_t> live_{0};
  std::atomic<std::size_t> slot_limit_{0};
};

/// k and recall.
inline Status check_options(const SearchOptions& options) {
  if (options.k == 0 || options.k > kNearestMax) {
    return invalid_argument("k is " + std::to_string(options.k) + "; it must be between 1 and " +
                                std::to_string(kNearestMax),
                            Subcode::kKTooLarge);
  }
  if (!(options.recall > 0.0F && options.recall <= 1.0F)) {
    return invalid_argument("recall is " + std::to_string(options.recall) +
                            "; it must be above 0 and at most 1");
  }
  return {};
}

/// What every search checks first.
inline Status check_search(VectorView query, std::size_t dimension, Metric metric,
                           const SearchOptions& options) {
  if (Status status = check_query_vector(query, dimension, metric); !status) return status;
  return check_options(options);
}

/// What every index checks of its dimension.
inline Status check_dimension(std::size_t dimension) {
  if (dimension == 0 || dimension > kDimensionMax) {
    return invalid_argument("dimension is " + std::to_string(dimension) +
                                "; it must be between 1 and " + std::to_string(kDimensionMax),
                            Subcode::kDimensionMismatch);
  }
  return {};
}

/// Whether each slot stands there once. Cheap where they ascend.
inline Status check_once(std::span<const Slot> slots) {
  const auto descends = [](Slot a, Slot b) { return a >= b; };
  if (std::adjacent_find(slots.begin(), slots.end(), descends) == slots.end()) return {};
  std::vector<Slot> sorted(slots.begin(), slots.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return {};
  const auto first = std::find(slots.begin(), slots.end(), *twice);
  const auto second = std::find(first + 1, slots.end(), *twice);
  return invalid_argument("slot " + std::to_string(*twice) + " stands twice")
      .at_record(second - slots.begin());
}

inline Status VectorTable::check(MatrixView rows, std::span<const Slot> slots) const {
  if (rows.rows() != slots.size()) {
    return invalid_argument(
        std::to_string(rows.rows()) + " rows for " + std::to_string(slots.size()) + " slots",
        Subcode::kCountMismatch);
  }
  if (size() + rows.rows() >= kNoPosition) {
    return Error{ErrorCode::kLimitExceeded,
                 "an index holds at most 2^32 - 2 positions: it has " + std::to_string(size()) +
                     " and " + std::to_string(rows.rows()) + " were given; begin another one"};
  }
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    if (slots[i] == kNoSlot)
      return invalid_argument("slot 2^32 - 1 is reserved").at_record(static_cast<std::int64_t>(i));
    if (Status status = check_vector(rows.row(i), dimension(), metric(), rows_.kind()); !status) {
      return std::move(status).error().at_record(static_cast<std::int64_t>(i));
    }
  }
  return check_once(slots);
}

inline Position VectorTable::reserve(std::span<const Slot> slots) {
  const std::size_t first = size();
  const std::size_t end = first + slots.size();
  rows_.grow_to(end);
  if (codes_) codes_->grow_to(end);
  slots_.grow_to(end);
  std::size_t limit = slot_limit_.load(std::memory_order_relaxed);
  for (const Slot slot : slots) limit = std::max<std::size_t>(limit, std::size_t{slot} + 1);
  positions_.grow_to(limit);
  slot_limit_.store(limit, std::memory_order_release);
  return static_cast<Position>(first);
}

inline void VectorTable::write(Position position, VectorView row) {
  rows_.set(position, row);
  if (codes_) codes_->set(position, row);
}

// Here alone, since writing a row may run out of memory: no slot leads to a position beyond size().
inline void VectorTable::publish(std::span<const Slot> slots) noexcept {
  auto position = static_cast<Position>(size());
  for (const Slot slot : slots) {
    mark_deleted(slot);
    std::atomic_ref<Slot>(slot_cell(position)).store(slot, std::memory_order_release);
    std::atomic_ref<Position>(position_cell(slot)).store(++position, std::memory_order_release);
  }
  live_.fetch_add(slots.size(), std::memory_order_relaxed);
  size_.fetch_add(slots.size(), std::memory_order_release);
}

inline bool VectorTable::mark_deleted(Slot slot) noexcept {
  const Position at = position(slot);
  if (at == kNoPosition) return false;
  // An insert beside this may put another row in its place.
  Position held = at + 1;
  if (!std::atomic_ref<Position>(position_cell(slot)).compare_exchange_strong(held, 0))
    return false;
  std::atomic_ref<Slot>(slot_cell(at)).store(kNoSlot, std::memory_order_release);
  live_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

inline void VectorTable::scan_block(const ScalarCodes& codes, const PreparedQuery& query,
                                    Scratch& scratch) const {
  scratch.distances.resize(kScanBlock);
  codes.distances(query, scratch.positions.data(), scratch.positions.size(),
                  scratch.distances.data());
  float threshold = scratch.found.threshold();
  for (std::size_t i = 0; i < scratch.positions.size(); ++i) {
    if (scratch.distances[i] > threshold) continue;
    scratch.found.push({scratch.distances[i], scratch.positions[i]});
    threshold = scratch.found.threshold();
  }
  scratch.positions.clear();
}

inline std::vector<Neighbor> VectorTable::nearest_of(VectorView query, const SearchOptions& options,
                                                     Scratch& scratch, SearchCost* cost) const {
  bool exact = options.recall >= 1.0F || !codes_;
  for (;;) {
    const ScalarCodes& compared = exact ? rows_ : *codes_;
    compared.prepare(query, scratch.code_query);
    const std::size_t depth = exact ? options.k : rerank_depth(options.k);
    scratch.found.reset(depth);
    scratch.code_errors.clear();
    scan_wanted(compared, options.wanted, scratch, cost);
    std::vector<Neighbor>& found = scratch.found.sorted();
    const std::size_t count = found.size();
    const float last = found.empty() ? 0 : found.back().distance;
    auto nearest = rerank(query, options.k, found, scratch, cost);
    // Rows that were deleted since they were found may leave too few, where others are left.
    if (nearest.size() < options.k && found.size() < count) continue;
    if (exact || count < depth || nearest.empty() ||
        scratch.code_errors.puts_beyond(last, nearest.back().distance)) {
      return nearest;
    }
    exact = true;
  }
}

inline void VectorTable::scan_wanted(const ScalarCodes& compared, const Wanted* wanted,
                                     Scratch& scratch, SearchCost* cost) const {
  scratch.positions.clear();
  std::size_t scanned = 0;
  const auto add = [&](Position position) {
    scratch.positions.push_back(position);
    ++scanned;
    if (scratch.positions.size() == kScanBlock) scan_block(compared, scratch.code_query, scratch);
  };
  const auto total = static_cast<Position>(size());
  if (wanted != nullptr && wanted->count() < total / 4) {
    wanted->for_each([&](Slot slot) {
      const Position at = position(slot);
      if (at < total) add(at);
    });
  } else {
    for (Position at = 0; at < total; ++at) {
      if (is_wanted(at, wanted)) add(at);
    }
  }
  scan_block(compared, scratch.code_query, scratch);
  if (cost != nullptr) cost->distances += scanned;
}

inline std::vector<Neighbor> VectorTable::rerank(VectorView query, std::size_t k,
                                                 std::vector<Neighbor>& found, Scratch& scratch,
                                                 SearchCost* cost) const {
  rows_.prepare(query, scratch.row_query);
  for (const Neighbor& neighbor : found) rows_.prefetch(neighbor.reference);
  std::size_t kept = 0;
  for (const Neighbor& neighbor : found) {
    const Slot at = slot(neighbor.reference);
    if (at == kNoSlot) continue;
    const float distance = rows_.distance(scratch.row_query, neighbor.reference);
    scratch.code_errors.add(
        distance, neighbor.distance,
        codes().deviation(scratch.code_query, neighbor.reference, neighbor.distance));
    // Damaged rows of an image can be no numbers, which no sort survives.
    found[kept++] = {std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance, at};
  }
  if (cost != nullptr) cost->reranked += kept;
  found.resize(kept);
  std::sort(found.begin(), found.end());
  // Two positions of one slot are one answer: its nearer row.
  std::vector<Neighbor> nearest;
  nearest.reserve(std::min(k, kept));
  for (const Neighbor& neighbor : found) {
    if (nearest.size() == k) break;
    if (!nearest.empty() && nearest.back().reference == neighbor.reference) continue;
    nearest.push_back(neighbor);
  }
  return nearest;
}

inline void VectorTable::add_sections(std::vector<SectionOut>& sections) const {
  const std::size_t count = size();
  sections.push_back({"rows", rows_.stride(), count, rows_.storage().pieces(count), true});
  if (codes_)
    sections.push_back({"codes", codes_->stride(), count, codes_->storage().pieces(count), true});
  sections.push_back({"slots", sizeof(Slot), count, slots_.pieces(count)});
}

inline Status VectorTable::attach_codes(const SectionSet& set, const char* name, std::size_t count,
                                        ScalarCodes& codes) {
  if (count == 0) return {};
  const auto parts = set.find_parts(name, codes.stride());
  if (!parts) return parts.error();
  std::size_t found = 0;
  for (const GuardedBytes& part : *parts) found += part.bytes.size() / codes.stride();
  if (found != count) {
    return Error{ErrorCode::kCorruption, "index section '" + std::string(name) + "' has " +
                                             std::to_string(found) + " entries for " +
                                             std::to_string(count) + " positions"};
  }
  codes.storage().adopt(*parts, set.owner);
  return {};
}

inline Status VectorTable::verify() const {
  for (Position at = 0; at < size(); ++at) {
    const Slot held = slot(at);
    if (held == kNoSlot) continue;
    const auto damaged = [&](const char* what) {
      return Error{ErrorCode::kCorruption, "index: " + std::string(what) + " at position " +
                                               std::to_string(at) + ", slot " +
                                               std::to_string(held)};
    };
    if (!contains(held)) return damaged("no way leads to the row");
    if (!check_vector(rows_.view(at), dimension(), metric(), rows_.kind()))
      return damaged("the row holds numbers that none can have");
    if (codes_ && !codes_->holds(at, rows_.view(at))) return damaged("the code is another row's");
  }
  return {};
}

inline Status VectorTable::attach(const SectionSet& set) {
  const auto slots = set.find("slots", sizeof(Slot));
  if (!slots) return slots.error();
  if (slots->count >= kNoPosition)
    return Error{ErrorCode::kCorruption, "index section 'slots' has more than 2^32 - 2 entries"};
  const auto count = static_cast<std::size_t>(slots->count);
  if (Status status = attach_codes(set, "rows", count, rows_); !status) return status;
  if (codes_) {
    if (Status status = attach_codes(set, "codes", count, *codes_); !status) return status;
  }
  slots_.adopt(slots->bytes, count, set.owner);
  std::size_t limit = 0;
  std::size_t live = 0;
  for (Position at = 0; at < count; ++at) {
    const Slot slot = slot_cell(at);
    if (slot != kNoSlot) limit = std::max<std::size_t>(limit, std::size_t{slot} + 1);
  }
  positions_.grow_to(limit);
  for (Position at = 0; at < count; ++at) {
    const Slot slot = slot_cell(at);
    if (slot == kNoSlot) continue;
    // Of two positions of one slot the younger one is right: the other row was replaced.
    if (position_cell(slot) == 0)
      ++live;
    else
      slot_cell(position_cell(slot) - 1) = kNoSlot;
    position_cell(slot) = at + 1;
  }
  slot_limit_.store(limit);
  live_.store(live);
  size_.store(count);
  return {};
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
