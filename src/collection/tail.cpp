#include "collection/tail.hpp"

#include <algorithm>

#include "anear/core/assert.hpp"
#include "anear/index/vector_table.hpp"

namespace anear {
TailSegment::TailSegment(std::size_t dimension, Metric metric, ScalarKind kind)
    : rows_(dimension, metric, kind), codes_(dimension, metric, ScalarKind::kI8) {
  rows_.grow_to(1);  // Room comes by chunks.
  codes_.grow_to(rows_.storage().capacity());
  slots_.reserve(rows_.storage().capacity());
}

std::uint32_t TailSegment::append(VectorView row, Slot slot) {
  ANEAR_ASSERT(!is_full());
  const std::uint32_t place = size();
  rows_.set(place, row);
  codes_.set(place, row);
  if (!slots_.empty() && slots_.back() > slot) ascends_.store(false, std::memory_order_relaxed);
  slots_.push_back(slot);
  return place;
}

void Tail::extend(const TailPart& part) {
  rows_ += part.end - part.begin;
  if (!parts_.empty() && parts_.back().segment == part.segment && parts_.back().end == part.begin) {
    parts_.back().end = part.end;
    return;
  }
  parts_.push_back(part);
}

void Tail::drop_prefix(const Tail& indexed) {
  for (const TailPart& done : indexed.parts()) {
    ANEAR_ASSERT(!parts_.empty() && parts_.front().segment == done.segment);
    TailPart& first = parts_.front();
    rows_ -= done.end - first.begin;
    first.begin = done.end;
    if (first.begin == first.end) parts_.erase(parts_.begin());
  }
}

std::size_t Tail::bytes() const noexcept {
  std::size_t bytes = 0;
  for (const TailPart& part : parts_) bytes += part.end * part.segment->bytes_per_row();
  return bytes;
}

SlotSet Tail::slots() const {
  SlotSet all;
  for (const TailPart& part : parts_) {
    for (const Slot slot : part.segment->slots(part.begin, part.end)) all.insert(slot);
  }
  return all;
}

VectorView Tail::row(Slot slot) const {
  for (const TailPart& part : parts_) {
    const auto slots = part.segment->slots(part.begin, part.end);
    const auto found = part.segment->ascends() ? std::lower_bound(slots.begin(), slots.end(), slot)
                                               : std::find(slots.begin(), slots.end(), slot);
    if (found == slots.end() || *found != slot) continue;
    return part.segment->rows().view(part.begin + static_cast<Position>(found - slots.begin()));
  }
  return {};
}

std::vector<Neighbor> Tail::nearest(VectorView query, const SearchOptions& options,
                                    Scratch& scratch, SearchCost* cost) const {
  if (parts_.empty() || options.k == 0) return {};
  const std::size_t depth = VectorTable::rerank_depth(options.k);
  for (bool by_rows = options.recall >= 1.0F || rows_ <= depth;; by_rows = true) {
    scratch.found.reset(by_rows ? options.k : depth);
    scratch.code_errors.clear();
    const std::size_t compared = scan(query, by_rows, options, scratch);
    std::vector<Neighbor>& found = scratch.found.sorted();
    if (cost != nullptr) {
      cost->distances += compared;
      cost->reranked += found.size();
    }
    const bool is_all = by_rows || found.size() < depth;
    const float last = found.empty() ? 0 : found.back().distance;
    auto nearest = rerank(query, options.k, found, scratch);
    if (is_all || scratch.code_errors.puts_beyond(last, nearest.back().distance)) return nearest;
  }
}

std::size_t Tail::scan(VectorView query, bool by_rows, const SearchOptions& options,
                       Scratch& scratch) const {
  constexpr std::size_t kBlock = 256;
  const auto codes_of = [&](const TailPart& part) -> const ScalarCodes& {
    return by_rows ? part.segment->rows() : part.segment->codes();
  };
  codes_of(parts_.front()).prepare(query, scratch.code_query);
  scratch.distances.resize(kBlock);
  std::size_t compared = 0;
  std::uint32_t number = 0;  // Of the row at the beginning of the part.
  for (const TailPart& part : parts_) {
    for (std::uint32_t next = part.begin; next < part.end;) {
      scratch.positions.clear();
      for (; next < part.end && scratch.positions.size() < kBlock; ++next) {
        if (options.wanted == nullptr || options.wanted->contains(part.segment->slot(next)))
          scratch.positions.push_back(next);
      }
      const std::size_t count = scratch.positions.size();
      compared += count;
      codes_of(part).distances(scratch.code_query, scratch.positions.data(), count,
                               scratch.distances.data());
      for (std::size_t i = 0; i < count; ++i) {
        if (scratch.distances[i] <= scratch.found.threshold())
          scratch.found.push({scratch.distances[i], number + scratch.positions[i] - part.begin});
      }
    }
    number += part.end - part.begin;
  }
  return compared;
}

std::vector<Neighbor> Tail::rerank(VectorView query, std::size_t k, std::vector<Neighbor>& found,
                                   Scratch& scratch) const {
  parts_.front().segment->rows().prepare(query, scratch.row_query);
  for (Neighbor& neighbor : found) {
    std::uint32_t place = neighbor.reference;
    auto part = parts_.begin();
    for (; place >= part->end - part->begin; ++part) place -= part->end - part->begin;
    place += part->begin;
    const float distance = part->segment->rows().distance(scratch.row_query, place);
    scratch.code_errors.add(
        distance, neighbor.distance,
        part->segment->codes().deviation(scratch.code_query, place, neighbor.distance));
    neighbor = {distance, part->segment->slot(place)};
  }
  std::sort(found.begin(), found.end());
  return {found.begin(), found.begin() + static_cast<std::ptrdiff_t>(std::min(k, found.size()))};
}

}  // namespace anear
