// What all indexes have in common: a table of rows, each under its slot.
//
// Threads: as vector_table.hpp.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "anear/index/vector_table.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class TableIndex {
 public:
  /// search() by comparing every wanted slot: the better plan when few are wanted.
  Result<std::vector<Neighbor>> nearest_of(VectorView query, const SearchOptions& options,
                                           Scratch& scratch, SearchCost* cost = nullptr) const {
    if (Status status = check_search(query, dimension(), table_.metric(), options); !status)
      return std::move(status).error();
    return table_.nearest_of(query, options, scratch, cost);
  }

  /// The slot is not returned from now on; its position stays. False: it was not here.
  bool mark_deleted(Slot slot) noexcept { return table_.mark_deleted(slot); }
  bool contains(Slot slot) const noexcept { return table_.contains(slot); }
  /// Live slots.
  std::size_t size() const noexcept { return table_.live(); }
  /// Live and deleted ones.
  std::size_t positions() const noexcept { return table_.size(); }
  std::size_t dimension() const noexcept { return table_.dimension(); }
  const VectorTable& table() const noexcept { return table_; }

 protected:
  explicit TableIndex(VectorTable table) : table_(std::move(table)) {}

  VectorTable table_;
};

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
