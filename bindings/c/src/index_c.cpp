// Indexes by themselves.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "anear.h"
#include "anear/index/image_io.hpp"
#include "anear/index/vector_table.hpp"
#include "anear/index/wanted.hpp"
#include "anear/quant/scalar_codes.hpp"
#include "anear/simd/isa.hpp"
#include "guard.hpp"
#include "index_handle.hpp"
#include "inputs.hpp"
#include "progress.hpp"
#include "sized.hpp"

using anear::BuildOptions;
using anear::FlatIndex;
using anear::HnswIndex;
using anear::IvfPqIndex;
using anear::MatrixView;
using anear::Neighbor;
using anear::Result;
using anear::SearchOptions;
using anear::Slot;
using anear::Status;
using anear::Wanted;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

namespace anear::c {

ScratchPool::Lease ScratchPool::lease() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty()) {
    auto made = std::make_unique<Scratch>();
    free_.reserve(all_.size() + 1);
    all_.push_back(std::move(made));
    return {*this, *all_.back()};
  }
  Scratch* scratch = free_.back();
  free_.pop_back();
  return {*this, *scratch};
}

void ScratchPool::give_back(Scratch& scratch) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(&scratch);
}

}  // namespace anear::c

namespace {

template <typename Index>
Result<IndexVariant> wrap(Result<Index> index) {
  if (!index) return std::move(index).error();
  return IndexVariant(std::move(*index));
}

Result<IndexVariant> make(const anear::VectorSchema& schema) {
  if (const auto* flat = std::get_if<anear::FlatOptions>(&schema.index))
    return wrap(FlatIndex::create(schema.dimension, *flat));
  if (const auto* hnsw = std::get_if<anear::HnswOptions>(&schema.index))
    return wrap(HnswIndex::create(schema.dimension, *hnsw));
  return wrap(IvfPqIndex::create(schema.dimension, std::get<anear::IvfPqOptions>(schema.index)));
}

/// What the file says it is, 0 when it says nothing: load() of any kind then says what is wrong.
std::uint32_t kind_in_file(const std::string& path) {
  anear::image_io::Header header;
  const anear::image_io::File file(std::fopen(path.c_str(), "rb"));
  return file && std::fread(&header, sizeof header, 1, file.get()) == 1 ? header.kind : 0;
}

Result<IndexVariant> load(const std::string& path) {
  const std::uint32_t kind = kind_in_file(path);
  if (kind == HnswIndex::kKind) return wrap(HnswIndex::load(path));
  if (kind == IvfPqIndex::kKind) return wrap(IvfPqIndex::load(path));
  return wrap(FlatIndex::load(path));
}

/// `progress` must outlive what is returned.
Result<BuildOptions> build_of(const anear_build* build, Progress& progress) {
  const auto given = read_sized(build, "anear_build");
  if (!given) return given.error();
  const auto threads = threads_of(given->threads);
  if (!threads) return threads.error();
  BuildOptions options;
  options.threads = *threads;
  options.progress = progress.callback(given->progress, given->progress_context);
  return options;
}

/// The caller's bits as a Wanted, which reads whole chunks.
class WantedBits {
 public:
  explicit WantedBits(std::span<const std::uint64_t> words) {
    for (const std::uint64_t word : words) count_ += static_cast<std::size_t>(std::popcount(word));
    const std::size_t whole = words.size() / Wanted::kChunkWords;
    for (std::size_t i = 0; i < whole; ++i)
      chunks_.push_back(words.data() + i * Wanted::kChunkWords);
    const auto rest = words.subspan(whole * Wanted::kChunkWords);
    std::copy(rest.begin(), rest.end(), last_.begin());
    if (!rest.empty()) chunks_.push_back(last_.data());
  }
  WantedBits(const WantedBits&) = delete;
  WantedBits& operator=(const WantedBits&) = delete;
  ~WantedBits() = default;
  Wanted wanted() const noexcept { return {chunks_, count_}; }

 private:
  std::array<std::uint64_t, Wanted::kChunkWords> last_{};
  std::vector<const std::uint64_t*> chunks_;
  std::size_t count_ = 0;
};

Result<SearchOptions> search_options_of(const anear_index_query& query) {
  if (Status status = check_flags(query.flags, 0, "flags of a query"); !status)
    return std::move(status).error();
  SearchOptions options;
  set_number(query.k, options.k);
  set_number(query.recall, options.recall);
  options.effort = query.effort;
  return options;
}

void write_row(const std::vector<Neighbor>& found, std::size_t row, std::size_t k,
               const anear_neighbors& to) {
  for (std::size_t i = 0; i < k; ++i) {
    const bool is_there = i < found.size();
    if (to.slots != nullptr) to.slots[row * k + i] = is_there ? found[i].reference : ANEAR_NO_SLOT;
    if (to.distances != nullptr) {
      to.distances[row * k + i] =
          is_there ? found[i].distance : std::numeric_limits<float>::infinity();
    }
  }
  if (to.found != nullptr) to.found[row] = static_cast<std::uint32_t>(found.size());
}

struct RowSearch {
  MatrixView queries;
  SearchOptions options;
  std::size_t threads = 1;
};

Status search_rows(const anear_index& index, const RowSearch& search, const anear_neighbors& to) {
  std::mutex mutex;
  Status failure;
  const auto search_range = [&](std::size_t begin, std::size_t end, std::size_t) {
    const ScratchPool::Lease scratch = index.scratches.lease();
    for (std::size_t row = begin; row < end; ++row) {
      auto found = std::visit(
          [&](const auto& any) {
            return any.search(search.queries.row(row), search.options, *scratch);
          },
          index.index);
      if (!found) {
        const std::lock_guard<std::mutex> lock(mutex);
        failure = anear::at_query(std::move(found).error(), row);
        return false;
      }
      write_row(*found, row, search.options.k, to);
    }
    return true;
  };
  anear::parallel_for(search.queries.rows(), search.threads, 8, search_range);
  return failure;
}

}  // namespace

int32_t anear_index_create(const anear_index_options* options, anear_index** index,
                           anear_error* error) {
  reset(index);
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}}); !status) return status;
    if (Status able = anear::check_processor(); !able) return able;
    const auto schema = vector_schema_of(options);
    if (!schema) return schema.error();
    auto made = make(*schema);
    if (!made) return std::move(made).error();
    *index = new anear_index(std::move(*made));
    return {};
  });
}

int32_t anear_index_load(const char* path, anear_index** index, anear_error* error) {
  reset(index);
  return guard(error, [&]() -> Status {
    if (Status status = required({{path, "path"}, {index, "index"}}); !status) return status;
    auto loaded = load(path);
    if (!loaded) return std::move(loaded).error();
    *index = new anear_index(std::move(*loaded));
    return {};
  });
}

void anear_index_free(anear_index* index) { delete index; }

int32_t anear_index_train(anear_index* index, const anear_matrix* sample, const anear_build* build,
                          anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}, {sample, "sample"}}); !status) return status;
    const auto matrix = matrix_of(*sample, "sample");
    if (!matrix) return matrix.error();
    Progress progress;
    const auto options = build_of(build, progress);
    if (!options) return options.error();
    auto* ivf = std::get_if<IvfPqIndex>(&index->index);
    return ivf == nullptr ? Status{} : ivf->train(*matrix, *options);
  });
}

int32_t anear_index_add(anear_index* index, const anear_matrix* rows, const uint32_t* slots,
                        const anear_build* build, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}, {rows, "rows"}}); !status) return status;
    const auto matrix = matrix_of(*rows, "rows");
    if (!matrix) return matrix.error();
    const auto given = span_of(slots, rows->rows, "slots");
    if (!given) return given.error();
    Progress progress;
    const auto options = build_of(build, progress);
    if (!options) return options.error();
    const std::lock_guard<std::mutex> lock(index->writer);
    return std::visit([&](auto& any) { return any.insert(*matrix, *given, *options); },
                      index->index);
  });
}

int32_t anear_index_delete(anear_index* index, const uint32_t* slots, size_t slot_count,
                           size_t* deleted, anear_error* error) {
  reset(deleted);
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}}); !status) return status;
    const auto given = span_of(slots, slot_count, "slots");
    if (!given) return given.error();
    const std::lock_guard<std::mutex> lock(index->writer);
    std::size_t count = 0;
    for (const Slot slot : *given) {
      count += std::visit([&](auto& any) { return any.mark_deleted(slot); }, index->index) ? 1 : 0;
    }
    if (deleted != nullptr) *deleted = count;
    return {};
  });
}

int32_t anear_index_calibrate(anear_index* index, const anear_build* build, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}}); !status) return status;
    Progress progress;
    const auto options = build_of(build, progress);
    if (!options) return options.error();
    const std::lock_guard<std::mutex> lock(index->writer);
    return std::visit([&](auto& any) { return any.calibrate(*options); }, index->index);
  });
}

int32_t anear_index_search(const anear_index* index, const anear_index_query* query,
                           anear_neighbors* neighbors, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}, {query, "query"}, {neighbors, "neighbors"}});
        !status) {
      return status;
    }
    const auto given = read_sized(query, "anear_index_query");
    if (!given) return given.error();
    const auto to = read_sized(neighbors, "anear_neighbors");
    if (!to) return to.error();
    if (Status status = check_flags(to->flags, 0, "flags of neighbors"); !status) return status;
    const auto queries = matrix_of(given->queries, "queries");
    if (!queries) return queries.error();
    const auto threads = threads_of(given->threads);
    if (!threads) return threads.error();
    const auto words = span_of(given->wanted, given->wanted_words, "wanted");
    if (!words) return words.error();
    auto options = search_options_of(*given);
    if (!options) return options.error();
    if (Status status = anear::check_options(*options); !status) return status;
    std::optional<WantedBits> bits;
    std::optional<Wanted> wanted;
    if (given->wanted != nullptr) {
      bits.emplace(*words);
      options->wanted = &wanted.emplace(bits->wanted());
    }
    return search_rows(*index, {*queries, *options, *threads}, *to);
  });
}

int32_t anear_index_save(const anear_index* index, const char* path, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}, {path, "path"}}); !status) return status;
    const std::lock_guard<std::mutex> lock(index->writer);
    const std::string to = path;
    return std::visit([&](const auto& any) { return any.save(to); }, index->index);
  });
}

int32_t anear_index_stats(const anear_index* index, anear_index_facts* facts, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{index, "index"}, {facts, "facts"}}); !status) return status;
    anear_index_facts known{};
    known.kind = static_cast<std::int32_t>(index->index.index()) + 1;
    std::visit(
        [&](const auto& any) {
          known.metric = static_cast<std::int32_t>(any.options().metric) + 1;
          known.rows = static_cast<std::int32_t>(any.options().rows) + 1;
          known.dimension = any.dimension();
          known.live = any.size();
          known.positions = any.positions();
          known.bytes = any.bytes();
        },
        index->index);
    return write_sized(known, facts, "anear_index_facts");
  });
}
