// Search that compares every row, or the code of every row and then the nearest rows. The baseline,
// the oracle of the tests, and the floor of every fallback.
//
// Threads: searches take no locks and run beside insert() and mark_deleted(); inserts are
// serialised by a mutex. save() and sections() run beside searches alone.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/index/image_io.hpp"
#include "anear/index/table_index.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class FlatIndex : public TableIndex {
 public:
  static constexpr std::uint32_t kKind = 1;
  using Options = FlatOptions;

  /// kInvalidArgument: dimension, metric, kind of rows or codes.
  static Result<FlatIndex> create(std::size_t dimension, const FlatOptions& options) {
    if (Status status = check_dimension(dimension); !status) return std::move(status).error();
    if (options.rows > ScalarKind::kF16 || options.codes > ScalarKind::kI8)
      return invalid_argument("rows are f32 or f16, codes f32, f16 (as the rows) or i8");
    if (options.metric > Metric::kCosine) return invalid_argument("unknown metric");
    return FlatIndex(dimension, options);
  }

  /// Reads the whole index: kCorruption where its parts disagree. Not beside a writer.
  Status verify() const { return table_.verify(); }
  /// As HnswIndex::reconnect(): there are no links.
  void reconnect() {}

  /// Adds rows[i] under slots[i], in place of what stood there; each slot once. Fails without a
  /// change; Error::record names the offending row.
  Status insert(MatrixView rows, std::span<const Slot> slots, const BuildOptions& build = {}) {
    const std::lock_guard<std::mutex> lock(*writer_);
    if (Status status = table_.check(rows, slots); !status) return status;
    const Position first = table_.reserve(slots);
    parallel_for(slots.size(), build.threads, 256,
                 [&](std::size_t begin, std::size_t end, std::size_t) {
                   for (std::size_t i = begin; i < end; ++i)
                     table_.write(first + static_cast<Position>(i), rows.row(i));
                   return true;
                 });
    table_.publish(slots);
    return {};
  }

  /// The k nearest wanted slots with their exact distances, nearest first. Among codes a neighbour
  /// may be missed, unless options.recall is 1.
  Result<std::vector<Neighbor>> search(VectorView query, const SearchOptions& options,
                                       Scratch& scratch, SearchCost* cost = nullptr) const {
    return nearest_of(query, options, scratch, cost);
  }

  const FlatOptions& options() const noexcept { return options_; }
  std::size_t bytes() const noexcept { return table_.bytes(); }
  std::size_t row_bytes() const noexcept { return table_.row_bytes(); }

  bool needs_calibration() const noexcept { return false; }
  Status calibrate(const BuildOptions& = {}) { return {}; }

  std::vector<SectionOut> sections() const {
    std::vector<SectionOut> sections;
    table_.add_sections(sections);
    return sections;
  }
  static Result<FlatIndex> attach(std::size_t dimension, const FlatOptions& options,
                                  const SectionSet& set) {
    auto index = create(dimension, options);
    if (!index) return index;
    if (Status status = index->table_.attach(set); !status) return std::move(status).error();
    return index;
  }

  Status save(const std::string& path) const { return image_io::save(*this, path); }
  static Result<FlatIndex> load(const std::string& path) { return image_io::load<FlatIndex>(path); }

 private:
  FlatIndex(std::size_t dimension, const FlatOptions& options)
      : TableIndex({dimension,
                    {options.metric, options.rows,
                     options.codes == ScalarKind::kI8 ? options.codes : options.rows}}),
        options_(options) {}

  FlatOptions options_;
  std::unique_ptr<std::mutex> writer_ = std::make_unique<std::mutex>();
};

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
