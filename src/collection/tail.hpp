// The tail of one named vector: rows that are committed and not yet in the live index. A search
// compares the codes of all of them and then the nearest rows, so a record is found the moment its
// write is acknowledged.
//
// Rows stand in segments (one chunk of AlignedRows each) as they came, 8-bit codes beside them: a
// quarter of the bytes to read. A version of the collection names the part of each segment it sees;
// what lies beyond belongs to younger versions.
//
// Invariants: (1) A row below a part's `end` is never changed. (2) Only the commit leader appends.
// (3) A slot has one row in a tail: it is given out again only when its old row has left.
//
// Threads: one appender; any number of readers of published parts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "anear/core/slot_set.hpp"
#include "anear/core/types.hpp"
#include "anear/index/options.hpp"
#include "anear/index/scratch.hpp"
#include "anear/index/wanted.hpp"
#include "anear/quant/scalar_codes.hpp"

namespace anear {

class TailSegment {
 public:
  TailSegment(std::size_t dimension, Metric metric, ScalarKind kind);

  bool is_full() const noexcept { return slots_.size() == rows_.storage().capacity(); }
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(slots_.size()); }
  /// `row` is of the segment's dimension and was checked. Returns its place. Not when full.
  std::uint32_t append(VectorView row, Slot slot);

  const ScalarCodes& rows() const noexcept { return rows_; }
  const ScalarCodes& codes() const noexcept { return codes_; }
  Slot slot(std::uint32_t place) const noexcept { return slots_.data()[place]; }
  /// Whether the slots of a part that was published ascend.
  bool ascends() const noexcept { return ascends_.load(std::memory_order_relaxed); }
  /// Slots and rows [begin, end), contiguous.
  std::span<const Slot> slots(std::uint32_t begin, std::uint32_t end) const noexcept {
    return {slots_.data() + begin, slots_.data() + end};
  }
  MatrixView matrix(std::uint32_t begin, std::uint32_t end) const noexcept {
    return {
        rows_.storage().row(begin), {end - begin, rows_.dimension()}, rows_.kind(), rows_.stride()};
  }
  std::size_t bytes_per_row() const noexcept {
    return rows_.stride() + codes_.stride() + sizeof(Slot);
  }

 private:
  ScalarCodes rows_;
  ScalarCodes codes_;
  std::atomic<bool> ascends_{true};
  std::vector<Slot> slots_;  ///< Its capacity is fixed from the start: readers hold its memory.
};

/// Places [begin, end) of a segment.
struct TailPart {
  std::shared_ptr<TailSegment> segment;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

class Tail {
 public:
  /// The leader appended [begin, end) to `segment`, which is the last part's or a new one.
  void extend(const TailPart& part);
  /// Drops what `indexed`, an older version of this tail, holds.
  void drop_prefix(const Tail& indexed);

  const std::vector<TailPart>& parts() const noexcept { return parts_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t bytes() const noexcept;
  /// Of live and dead rows.
  SlotSet slots() const;

  /// The row of `slot`; empty when it is not here. Looks through the slots of segments that do not
  /// ascend, as they do until slots are given out again.
  VectorView row(Slot slot) const;

  /// The k nearest of the wanted slots, with exact distances, nearest first: found by comparing all
  /// rows with recall 1 or where they are few or codes do not tell them apart (CodeErrors),
  /// otherwise all codes and as many rows as VectorTable::rerank_depth() says.
  std::vector<Neighbor> nearest(VectorView query, const SearchOptions& options, Scratch& scratch,
                                SearchCost* cost) const;

 private:
  /// Leaves the nearest by row or by code in scratch.found, as numbers from the tail's first row
  /// on. How many were compared.
  std::size_t scan(VectorView query, bool by_rows, const SearchOptions& options,
                   Scratch& scratch) const;
  /// Turns numbers into slots with exact distances, the nearest k of them.
  std::vector<Neighbor> rerank(VectorView query, std::size_t k, std::vector<Neighbor>& found,
                               Scratch& scratch) const;

  std::vector<TailPart> parts_;
  std::size_t rows_ = 0;
};

}  // namespace anear
