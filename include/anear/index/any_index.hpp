// One of the indexes, chosen at run time: what a collection holds for each named vector.
//
// Each call is one switch over the kinds, outside of all loops; nothing inside an index is virtual.
// What reads rows or codes ends with kCorruption when one of them, or one that was read before, is
// damaged (BlockGuard).
// Threads: as the index inside (searches run beside one writer).
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "anear/index/flat_index.hpp"
#include "anear/index/hnsw_index.hpp"
#include "anear/index/ivf_pq_index.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class AnyIndex {
 public:
  using Variant = std::variant<FlatIndex, HnswIndex, IvfPqIndex>;

  /// By the alternative of `options`. Fails as the index's own create().
  static Result<AnyIndex> create(std::size_t dimension, const FlatOptions& options) {
    return wrap(FlatIndex::create(dimension, options));
  }
  static Result<AnyIndex> create(std::size_t dimension, const HnswOptions& options) {
    return wrap(HnswIndex::create(dimension, options));
  }
  /// It has to be trained (ivf_pq()) before the first insert().
  static Result<AnyIndex> create(std::size_t dimension, const IvfPqOptions& options) {
    return wrap(IvfPqIndex::create(dimension, options));
  }
  static Result<AnyIndex> attach(std::size_t dimension, const FlatOptions& options,
                                 const SectionSet& set) {
    return wrap(FlatIndex::attach(dimension, options, set));
  }
  static Result<AnyIndex> attach(std::size_t dimension, const HnswOptions& options,
                                 const SectionSet& set) {
    return wrap(HnswIndex::attach(dimension, options, set));
  }
  static Result<AnyIndex> attach(std::size_t dimension, const IvfPqOptions& options,
                                 const SectionSet& set) {
    return wrap(IvfPqIndex::attach(dimension, options, set));
  }

  Status insert(MatrixView rows, std::span<const Slot> slots, const BuildOptions& build = {}) {
    if (Status intact = table().intact(); !intact) return intact;
    return checked(
        std::visit([&](auto& index) { return index.insert(rows, slots, build); }, index_));
  }
  Result<std::vector<Neighbor>> search(VectorView query, const SearchOptions& options,
                                       Scratch& scratch, SearchCost* cost = nullptr) const {
    return checked(std::visit(
        [&](const auto& index) { return index.search(query, options, scratch, cost); }, index_));
  }
  /// By comparing every wanted slot.
  Result<std::vector<Neighbor>> nearest_of(VectorView query, const SearchOptions& options,
                                           Scratch& scratch, SearchCost* cost = nullptr) const {
    return checked(std::visit(
        [&](const auto& index) { return index.nearest_of(query, options, scratch, cost); },
        index_));
  }
  bool mark_deleted(Slot slot) noexcept {
    return std::visit([&](auto& index) { return index.mark_deleted(slot); }, index_);
  }
  bool contains(Slot slot) const noexcept {
    return std::visit([&](const auto& index) { return index.contains(slot); }, index_);
  }
  bool needs_calibration() const {
    return std::visit([](const auto& index) { return index.needs_calibration(); }, index_);
  }
  /// HnswIndex::is_calibration_overdue(); of the others, never.
  bool is_calibration_overdue() const {
    const auto* graph = std::get_if<HnswIndex>(&index_);
    return graph != nullptr && graph->is_calibration_overdue();
  }
  Status calibrate(const BuildOptions& build = {}) {
    return checked(std::visit([&](auto& index) { return index.calibrate(build); }, index_));
  }
  /// HnswIndex::do_codes_suffice(); of the others, always.
  bool do_codes_suffice(const BuildOptions& build = {}) const {
    const auto* graph = std::get_if<HnswIndex>(&index_);
    return graph == nullptr || graph->do_codes_suffice(build);
  }
  /// Reads the whole index: kCorruption where its parts disagree. Not beside a writer.
  Status verify() const {
    if (Status whole = table().check_from(0); !whole) return whole;
    return std::visit([](const auto& index) { return index.verify(); }, index_);
  }
  /// Before it is saved: HnswIndex::reconnect().
  void reconnect() {
    std::visit([](auto& index) { index.reconnect(); }, index_);
  }
  /// What has never been read is not checked: see VectorTable::check_from().
  std::vector<SectionOut> sections() const {
    return std::visit([](const auto& index) { return index.sections(); }, index_);
  }
  /// Live rows; positions() counts the deleted ones too.
  std::size_t size() const noexcept {
    return std::visit([](const auto& index) { return index.size(); }, index_);
  }
  std::size_t positions() const noexcept {
    return std::visit([](const auto& index) { return index.positions(); }, index_);
  }
  std::size_t bytes() const noexcept {
    return std::visit([](const auto& index) { return index.bytes(); }, index_);
  }
  /// The number of the kind, as it stands in images.
  std::uint32_t kind() const noexcept {
    return std::visit([](const auto& index) { return index.kKind; }, index_);
  }
  bool is_flat() const noexcept { return std::holds_alternative<FlatIndex>(index_); }
  /// Null when it is of another kind.
  IvfPqIndex* ivf_pq() noexcept { return std::get_if<IvfPqIndex>(&index_); }
  const IvfPqIndex* ivf_pq() const noexcept { return std::get_if<IvfPqIndex>(&index_); }
  /// Its rows, and which slot each has.
  const VectorTable& table() const noexcept {
    return std::visit([](const auto& index) -> const VectorTable& { return index.table(); },
                      index_);
  }
  const Variant& variant() const noexcept { return index_; }

 private:
  explicit AnyIndex(Variant index) : index_(std::move(index)) {}

  template <typename Index>
  static Result<AnyIndex> wrap(Result<Index> index) {
    if (!index) return std::move(index).error();
    return AnyIndex(Variant(std::move(*index)));
  }
  /// `outcome`, unless it was made of damaged bytes.
  template <typename Outcome>
  Outcome checked(Outcome outcome) const {
    Status intact = table().intact();
    if (intact) return outcome;
    return std::move(intact).error();
  }

  Variant index_;
};

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
