#include "collection/tail.hpp"

#include <algorithm>

#include "anear/core/assert.hpp"

namespace anear {
TailSegment::TailSegment(std::size_t dimension, Metric metric, ScalarKind kind)
    : rows_(dimension, metric, kind) {
  rows_.grow_to(1);  // Room comes by chunks.
  slots_.reserve(rows_.storage().capacity());
}

std::uint32_t TailSegment::append(VectorView row, Slot slot) {
  ANEAR_ASSERT(!is_full());
  const std::uint32_t place = size();
  rows_.set(place, row);
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

Slot Tail::first_slot(Slot otherwise) const noexcept {
  return parts_.empty() ? otherwise : parts_.front().segment->slot(parts_.front().begin);
}

VectorView Tail::row(Slot slot) const {
  for (const TailPart& part : parts_) {
    const auto slots = part.segment->slots(part.begin, part.end);
    const auto found = std::lower_bound(slots.begin(), slots.end(), slot);
    if (found == slots.end()) continue;
    if (*found != slot) return {};
    return part.segment->rows().view(part.begin + static_cast<Position>(found - slots.begin()));
  }
  return {};
}

std::vector<Neighbor> Tail::nearest(VectorView query, const SearchOptions& options,
                                    Scratch& scratch, SearchCost* cost) const {
  constexpr std::size_t kBlock = 256;
  scratch.found.reset(options.k);
  if (!parts_.empty()) parts_.front().segment->rows().prepare(query, scratch.row_query);
  scratch.distances.resize(kBlock);
  for (const TailPart& part : parts_) {
    const ScalarCodes& rows = part.segment->rows();
    for (std::uint32_t next = part.begin; next < part.end;) {
      scratch.positions.clear();
      for (; next < part.end && scratch.positions.size() < kBlock; ++next) {
        if (options.wanted == nullptr || options.wanted->contains(part.segment->slot(next)))
          scratch.positions.push_back(next);
      }
      const std::size_t count = scratch.positions.size();
      rows.distances(scratch.row_query, scratch.positions.data(), count, scratch.distances.data());
      for (std::size_t i = 0; i < count; ++i) {
        if (scratch.distances[i] <= scratch.found.threshold())
          scratch.found.push({scratch.distances[i], part.segment->slot(scratch.positions[i])});
      }
      if (cost != nullptr) cost->distances += count;
    }
  }
  return scratch.found.sorted();
}

}  // namespace anear
