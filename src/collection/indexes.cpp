#include "collection/indexes.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "anear/core/random.hpp"

namespace anear {
namespace {

template <typename Options>
Options with_rows_of(const VectorSchema& vector, Options options) {
  options.metric = vector.metric;
  options.rows = vector.kind;
  return options;
}

/// What the vector asks for, or what an index that is trained later starts as.
FlatOptions flat(const VectorSchema& vector) {
  const auto* chosen = std::get_if<FlatOptions>(&vector.index);
  FlatOptions options = with_rows_of(vector, chosen == nullptr ? FlatOptions{} : *chosen);
  if (options.codes != ScalarKind::kI8) options.codes = options.rows;
  return options;
}

/// What an index is built of: the live rows of another one, but for those of some slots.
struct Source {
  const AnyIndex& from;
  const SlotSet& without;

  Slot slot(Position position) const noexcept {
    const Slot slot = from.table().slot(position);
    return slot == kNoSlot || without.contains(slot) ? kNoSlot : slot;
  }
  /// Positions below the end of now that have such a row.
  std::vector<Position> positions() const {
    std::vector<Position> all;
    for (Position at = 0; at < from.positions(); ++at) {
      if (slot(at) != kNoSlot) all.push_back(at);
    }
    return all;
  }
};

/// Rows of an index, copied together.
class CopiedRows {
 public:
  CopiedRows(const VectorSchema& vector, const Source& source)
      : vector_(vector), source_(source), table_(source.from.table()) {}

  void clear() noexcept {
    bytes_.clear();
    slots_.clear();
  }
  void add(Position position) {
    const Slot slot = source_.slot(position);
    if (slot == kNoSlot) return;
    const VectorView row = table_.rows().view(position);
    const auto* bytes = static_cast<const std::byte*>(row.data());
    bytes_.insert(bytes_.end(), bytes, bytes + row.bytes());
    slots_.push_back(slot);
  }
  MatrixView matrix() const noexcept {
    return {bytes_.data(), {slots_.size(), vector_.dimension}, vector_.kind};
  }
  const std::vector<Slot>& slots() const noexcept { return slots_; }

 private:
  const VectorSchema& vector_;
  const Source& source_;
  const VectorTable& table_;
  std::vector<std::byte> bytes_;
  std::vector<Slot> slots_;
};

/// Learns from rows drawn evenly.
Status train(AnyIndex& index, const VectorSchema& vector, const Source& source,
             const std::vector<Position>& positions, const BuildOptions& build) {
  const IvfPqOptions& options = index.ivf_pq()->options();
  Random random(options.seed);
  std::vector<std::uint32_t> drawn =
      random_subset(positions.size(), IvfPqIndex::training_rows_for(options.lists), random);
  std::sort(drawn.begin(), drawn.end());
  CopiedRows sample(vector, source);
  for (const std::uint32_t at : drawn) sample.add(positions[at]);
  if (Status intact = source.from.table().intact(); !intact) return intact;
  return index.ivf_pq()->train(sample.matrix(), build);
}

/// Appends what `source` has from position `next` on; `next` is then behind the last one.
Status copy_rows(AnyIndex& index, const VectorSchema& vector, const Source& source,
                 std::size_t& next, const BuildOptions& build) {
  constexpr std::size_t kPositionsAtOnce = 1'024;
  const AnyIndex& from = source.from;
  CopiedRows rows(vector, source);
  while (next < from.positions()) {
    rows.clear();
    const std::size_t end = std::min(next + kPositionsAtOnce, from.positions());
    for (; next < end; ++next) rows.add(static_cast<Position>(next));
    if (Status intact = from.table().intact(); !intact) return intact;
    Status status = index.insert(rows.matrix(), rows.slots(), {.threads = build.threads});
    if (!status) return status;
    if (!build.progress(next, from.positions()))
      return Error{ErrorCode::kCancelled, "the index is not built any further"};
  }
  return {};
}

/// Empty, and trained where that is due. A graph whose codes did not tell its rows apart gets the
/// rows to walk on.
Result<AnyIndex> make_trained(const VectorSchema& vector, const Source& source,
                              const BuildOptions& build) {
  const auto* graph = std::get_if<HnswOptions>(&vector.index);
  if (graph != nullptr &&
      (!source.from.table().has_codes() || !source.from.do_codes_suffice(build))) {
    HnswOptions options = with_rows_of(vector, *graph);
    options.codes = options.rows;
    return AnyIndex::create(vector.dimension, options);
  }
  const auto* chosen = std::get_if<IvfPqOptions>(&vector.index);
  if (chosen == nullptr) return make_index(vector);
  const std::vector<Position> positions = source.positions();
  if (positions.size() < chosen->train_from) return make_index(vector);
  auto options = with_rows_of(vector, *chosen);
  if (options.lists == 0)
    options.lists = static_cast<std::uint32_t>(IvfPqIndex::lists_for(positions.size()));
  auto index = AnyIndex::create(vector.dimension, options);
  if (!index) return index;
  if (Status status = train(*index, vector, source, positions, build); !status)
    return std::move(status).error();
  return index;
}

}  // namespace

Result<AnyIndex> make_index(const VectorSchema& vector) {
  if (const auto* options = std::get_if<HnswOptions>(&vector.index))
    return AnyIndex::create(vector.dimension, with_rows_of(vector, *options));
  if (const auto* options = std::get_if<IvfPqOptions>(&vector.index)) {
    auto later = AnyIndex::create(vector.dimension, with_rows_of(vector, *options));
    if (!later) return later;
  }
  return AnyIndex::create(vector.dimension, flat(vector));
}

Result<AnyIndex> attach_index(const VectorSchema& vector, std::uint32_t kind,
                              const SectionSet& sections) {
  if (kind == FlatIndex::kKind) {
    FlatOptions options = flat(vector);
    if (!sections.has("codes")) options.codes = options.rows;  // Of a store from before.
    return AnyIndex::attach(vector.dimension, options, sections);
  }
  const auto* hnsw = std::get_if<HnswOptions>(&vector.index);
  if (kind == HnswIndex::kKind && hnsw != nullptr) {
    HnswOptions options = with_rows_of(vector, *hnsw);
    if (!sections.has("codes")) options.codes = options.rows;  // See make_trained().
    return AnyIndex::attach(vector.dimension, options, sections);
  }
  const auto* ivf = std::get_if<IvfPqOptions>(&vector.index);
  if (kind == IvfPqIndex::kKind && ivf != nullptr)
    return AnyIndex::attach(vector.dimension, with_rows_of(vector, *ivf), sections);
  return Error{ErrorCode::kCorruption, "an image of vector '" + vector.name +
                                           "' holds an index of kind " + std::to_string(kind)};
}

Result<VectorView> row_of(const SearchedVector& vector, Slot slot) {
  const VectorTable& table = vector.index->table();
  const Position position = table.position(slot);
  if (position == kNoPosition) return vector.tail.row(slot);
  const VectorView row = table.rows().view(position);
  if (Status intact = table.intact(); !intact) return std::move(intact).error();
  return row;
}

bool has_deleted(const AnyIndex& index, DeletedMost most) noexcept {
  const std::size_t deleted = index.positions() - index.size();
  return deleted > most.kept &&
         static_cast<double>(deleted) > most.share * static_cast<double>(index.size());
}

bool needs_rebuild(const VectorSchema& vector, const AnyIndex& index, DeletedMost most) {
  if (has_deleted(index, most)) return true;
  if (!index.do_codes_suffice()) return true;
  const auto* options = std::get_if<IvfPqOptions>(&vector.index);
  if (options == nullptr) return false;
  if (index.ivf_pq() == nullptr) return index.size() >= options->train_from;
  return options->lists == 0 && IvfPqIndex::lists_for(index.size()) >= 2 * index.ivf_pq()->lists();
}

Result<AnyIndex> rebuild_index(const VectorSchema& vector, const AnyIndex& from,
                               const BuildOptions& build, const SlotSet& without) {
  const Source source{from, without};
  auto index = make_trained(vector, source, build);
  if (!index) return index;
  std::size_t next = 0;
  Status status = copy_rows(*index, vector, source, next, build);
  if (status) status = index->calibrate({.threads = build.threads});
  if (!status) return std::move(status).error();
  return index;
}

}  // namespace anear
