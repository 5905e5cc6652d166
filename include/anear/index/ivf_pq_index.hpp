// Inverted lists of product codes (Jégou et al. 2011, IVFADC), re-ranked on rows. START HERE for
// IVF-PQ.
//
// train() learns lists and codes from a sample (quant/residual_codes.hpp), insert() appends each
// row to the list of its nearest centroid (inverted_lists.hpp), search() compares the codes of the
// nearest lists and re-ranks the best of them on rows (list_reader.hpp), so that distances are
// exact. Where it may stop was measured (ivf_calibration.hpp).
//
// Threads: searches take no locks and run beside train(), insert(), mark_deleted() and calibrate().
// train() and insert() are serialised; one call may use several threads. save() and sections() run
// beside searches alone. Deterministic for a seed, an ISA and an order of insertion, for any number
// of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "anear/index/image_io.hpp"
#include "anear/index/inverted_lists.hpp"
#include "anear/index/ivf_calibration.hpp"
#include "anear/index/ivf_tuning.hpp"
#include "anear/index/list_reader.hpp"
#include "anear/index/table_index.hpp"
#include "anear/quant/residual_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

class IvfPqIndex : public TableIndex {
 public:
  static constexpr std::uint32_t kKind = 3;
  using Options = IvfPqOptions;
  static constexpr std::uint32_t kListsMax = 1U << 20;

  /// kInvalidArgument: dimension, kinds, more than kListsMax lists, more subspaces than dimensions,
  /// iterations outside of 1..1,000, train_from of 0.
  static Result<IvfPqIndex> create(std::size_t dimension, const IvfPqOptions& options);

  /// Learns from `sample`, of which up to 64 rows a list are used. Once, before the first insert():
  /// kInvalidArgument when the index is trained, or the sample empty or bad (Error::record);
  /// kCancelled when build.progress (steps, not rows) asked to stop. Fails without a change.
  Status train(MatrixView sample, const BuildOptions& build = {});
  bool is_trained() const noexcept { return trained() != nullptr; }
  /// How many lists train() makes of so many rows when the options leave it open.
  static std::size_t lists_for(std::size_t rows) noexcept {
    return std::clamp<std::size_t>(
        static_cast<std::size_t>(4.0 * std::sqrt(static_cast<double>(rows))), 1, kListsMax);
  }
  /// How many rows train() draws from a sample for so many lists; more are not looked at.
  static std::size_t training_rows_for(std::size_t lists) noexcept {
    return kRowsPerCentroid * std::max(lists, ProductCodes::kWords);
  }

  /// Adds rows[i] under slots[i], in place of what stood there; each slot once. Fails without a
  /// change; Error::record names the offending row.
  /// kInvalidArgument with kNotTrained before train().
  Status insert(MatrixView rows, std::span<const Slot> slots, const BuildOptions& build = {});

  /// The k nearest wanted slots with exact distances, nearest first; never fewer than k when there
  /// are k. With a filter and no `effort`, more lists are read the rarer wanted slots are in them,
  /// and every wanted slot is compared once that is cheaper.
  Result<std::vector<Neighbor>> search(VectorView query, const SearchOptions& options,
                                       Scratch& scratch, SearchCost* cost = nullptr) const;

  const IvfPqOptions& options() const noexcept { return options_; }
  std::size_t lists() const noexcept { return is_trained() ? trained()->codes.lists() : 0; }
  std::size_t bytes() const noexcept {
    return table_.bytes() + (is_trained() ? trained()->bytes() : 0);
  }
  std::size_t row_bytes() const noexcept { return table_.row_bytes(); }

  /// Measures where a search for a recall target may stop (ivf_calibration.hpp): about 256 exact
  /// scans and as many of all codes.
  Status calibrate(const BuildOptions& build = {});
  /// Whether a fifth of the rows changed since the last calibration.
  bool needs_calibration() const { return size() > 1 && tuning().is_stale(size()); }

  /// As HnswIndex::reconnect(): there are no links.
  void reconnect() {}
  /// As that of every index; each position stands in one list.
  Status verify() const {
    Status held = table_.verify();
    return held && is_trained() ? trained()->lists.verify(positions()) : held;
  }

  std::vector<SectionOut> sections() const;
  static Result<IvfPqIndex> attach(std::size_t dimension, const IvfPqOptions& options,
                                   const SectionSet& set);
  Status save(const std::string& path) const { return image_io::save(*this, path); }
  static Result<IvfPqIndex> load(const std::string& path) {
    return image_io::load<IvfPqIndex>(path);
  }

 private:
  /// k-means gains little from more.
  static constexpr std::size_t kRowsPerCentroid = 64;

  struct State {
    std::mutex writer;
    std::unique_ptr<CodedLists> owner;
    std::atomic<CodedLists*> trained{nullptr};
    mutable std::mutex calibrating;
    IvfTuning tuning;
  };
  struct Meta {
    IvfTuning tuning;
    std::uint32_t trained = 0;
    std::uint32_t reserved = 0;
  };

  IvfPqIndex(std::size_t dimension, const IvfPqOptions& options)
      : TableIndex({dimension, {options.metric, options.rows, options.rows}}),
        options_(options),
        state_(std::make_unique<State>()) {}

  CodedLists* trained() const noexcept { return state_->trained.load(std::memory_order_acquire); }
  void publish(std::unique_ptr<CodedLists> trained) {
    state_->owner = std::move(trained);
    state_->trained.store(state_->owner.get(), std::memory_order_release);
  }
  IvfTuning tuning() const {
    const std::lock_guard<std::mutex> lock(state_->calibrating);
    return state_->tuning;
  }
  std::size_t subspaces() const noexcept {
    return options_.subspaces != 0 ? options_.subspaces : std::max<std::size_t>(dimension() / 8, 1);
  }
  /// What preparing a query and ranking the lists costs, in comparisons of rows.
  std::size_t setup_cost() const noexcept {
    return ProductCodes::kWords + lists() / 4 + (options_.rotate ? dimension() : 0);
  }
  std::vector<float> draw_rows(MatrixView sample, std::size_t most,
                               const BuildOptions& build) const;
  Result<ResidualCodes> attach_codes(const SectionSet& set) const;
  static Result<std::vector<float>> read_floats(const SectionSet& set, const char* name,
                                                std::size_t width);
  static Error damaged(const std::string& what) {
    return Error{ErrorCode::kCorruption, "index image: it has " + what};
  }

  IvfPqOptions options_;
  std::unique_ptr<State> state_;
  mutable Meta meta_;  ///< What sections() hands out; under State::calibrating.
};

inline Result<IvfPqIndex> IvfPqIndex::create(std::size_t dimension, const IvfPqOptions& options) {
  if (Status status = check_dimension(dimension); !status) return std::move(status).error();
  if (options.lists > kListsMax) {
    return invalid_argument("lists is " + std::to_string(options.lists) + "; it must be at most " +
                            std::to_string(kListsMax));
  }
  if (options.subspaces > dimension) {
    return invalid_argument("subspaces is " + std::to_string(options.subspaces) +
                            "; it must be at most the dimension, " + std::to_string(dimension));
  }
  if (options.iterations < 1 || options.iterations > 1'000) {
    return invalid_argument("iterations is " + std::to_string(options.iterations) +
                            "; it must be between 1 and 1000");
  }
  if (options.train_from < 1) return invalid_argument("train_from is 0; it must be at least 1");
  if (options.rows > ScalarKind::kF16 || options.metric > Metric::kCosine)
    return invalid_argument("rows are f32 or f16");
  return IvfPqIndex(dimension, options);
}

inline Result<std::vector<Neighbor>> IvfPqIndex::search(VectorView query,
                                                        const SearchOptions& options,
                                                        Scratch& scratch, SearchCost* cost) const {
  if (Status status = check_search(query, dimension(), table_.metric(), options); !status)
    return std::move(status).error();
  if (size() == 0) return std::vector<Neighbor>{};
  const IvfTuning facts = tuning();
  const bool asked = options.effort != 0;
  const std::size_t reachable =
      std::min(options.wanted == nullptr ? size() : options.wanted->count(), size());
  const double share = static_cast<double>(reachable) / static_cast<double>(positions());
  // Wanted slots without a row here may make up in number for rows that are not wanted. Deletes are
  // a filter too.
  constexpr double kNearlyAll = 15.0 / 16.0;
  const bool filtered = (options.wanted != nullptr && options.filtered) || share < kNearlyAll;
  const Probing probing{
      .k = IvfTuning::measured_k(options.k),
      .share = share,
      .lists = asked ? ListLimit{options.effort}
                     : facts.lists_for(options.recall, options.k, lists(), filtered, share),
      .gaps = facts.gaps_for(options.recall, options.k, dimension(), filtered),
      .wanted = options.wanted};
  const bool few = options.k >= reachable || (!asked && reachable <= setup_cost());
  if (few || probing.lists.probes == 0) return table_.nearest_of(query, options, scratch, cost);
  const ListReader reader(table_, *trained());
  if (!reader.probe(query, probing, scratch, cost))
    return table_.nearest_of(query, options, scratch, cost);
  auto nearest = reader.rerank(query, options.k, probing.k, scratch, cost);
  // The lists that were read may hold too few; a short answer is never served.
  if (nearest.size() < options.k) return table_.nearest_of(query, options, scratch, cost);
  return nearest;
}

inline Status IvfPqIndex::train(MatrixView sample, const BuildOptions& build) {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (is_trained()) return invalid_argument("the index is trained already");
  if (sample.empty()) return invalid_argument("the training sample is empty");
  for (std::size_t i = 0; i < sample.rows(); ++i) {
    if (Status status = check_vector(sample.row(i), dimension(), table_.metric(), options_.rows);
        !status) {
      return std::move(status).error().at_record(static_cast<std::int64_t>(i));
    }
  }
  const std::size_t lists = options_.lists != 0 ? options_.lists : lists_for(sample.rows());
  const std::vector<float> rows = draw_rows(sample, training_rows_for(lists), build);
  const ResidualOptions options{.subspaces = subspaces(),
                                .rotate = options_.rotate,
                                .kmeans = {.clusters = lists,
                                           .iterations = options_.iterations,
                                           .seed = options_.seed,
                                           .threads = build.threads,
                                           .progress = build.progress}};
  auto learned = ResidualCodes::train({rows.data(), rows.size() / dimension(), dimension()},
                                      table_.metric(), options);
  if (!learned) return Error{ErrorCode::kCancelled, "training was cancelled; nothing was learned"};
  publish(std::make_unique<CodedLists>(*std::move(learned)));
  return {};
}

inline std::vector<float> IvfPqIndex::draw_rows(MatrixView sample, std::size_t most,
                                                const BuildOptions& build) const {
  Random random(options_.seed);
  const std::vector<std::uint32_t> chosen = random_subset(sample.rows(), most, random);
  std::vector<float> rows(chosen.size() * dimension());
  parallel_for(chosen.size(), build.threads, 256,
               [&](std::size_t begin, std::size_t end, std::size_t) {
                 for (std::size_t i = begin; i < end; ++i) {
                   ResidualCodes::normalize(sample.row(chosen[i]), table_.metric(),
                                            rows.data() + i * dimension());
                 }
                 return true;
               });
  return rows;
}

inline Status IvfPqIndex::insert(MatrixView rows, std::span<const Slot> slots,
                                 const BuildOptions& build) {
  const std::lock_guard<std::mutex> writer(state_->writer);
  if (!is_trained())
    return invalid_argument("train() the index before the first insert", Subcode::kNotTrained);
  if (Status status = table_.check(rows, slots); !status) return status;
  const ResidualCodes& coder = trained()->codes;
  InvertedLists& lists = trained()->lists;
  const std::size_t count = slots.size();
  std::vector<ResidualCodes::Place> places(count);
  std::vector<std::uint8_t> codes(count * coder.code_bytes());
  std::atomic<std::size_t> done{0};
  const bool finished = parallel_for(
      count, build.threads, 64, [&](std::size_t begin, std::size_t end, std::size_t thread) {
        std::vector<float> block((end - begin) * dimension());
        for (std::size_t i = begin; i < end; ++i) {
          ResidualCodes::normalize(rows.row(i), table_.metric(),
                                   block.data() + (i - begin) * dimension());
        }
        coder.encode({block.data(), end - begin, dimension()}, places.data() + begin,
                     codes.data() + begin * coder.code_bytes());
        const std::size_t now = done.fetch_add(end - begin) + end - begin;
        return thread != 0 || build.progress(now, count);
      });
  if (!finished) return Error{ErrorCode::kCancelled, "insertion was cancelled; nothing was added"};

  lists.reserve(count);
  const Position first = table_.reserve(slots);
  parallel_for(count, build.threads, 256, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i)
      table_.write(first + static_cast<Position>(i), rows.row(i));
    return true;
  });
  table_.publish(slots);
  for (std::size_t i = 0; i < count; ++i) {
    lists.append(places[i], first + static_cast<Position>(i),
                 codes.data() + i * coder.code_bytes());
  }
  return {};
}

inline Status IvfPqIndex::calibrate(const BuildOptions& build) {
  if (size() < 2) return {};
  const IvfTuning fresh = IvfCalibration(table_, *trained()).measure(options_.seed, build);
  const std::lock_guard<std::mutex> lock(state_->calibrating);
  state_->tuning = fresh;
  return {};
}

inline std::vector<SectionOut> IvfPqIndex::sections() const {
  std::vector<SectionOut> sections;
  table_.add_sections(sections);
  {
    const std::lock_guard<std::mutex> lock(state_->calibrating);
    meta_ = Meta{state_->tuning, is_trained() ? 1U : 0U};
  }
  sections.push_back({"meta", sizeof(Meta), 1, {image_io::bytes_of_value(meta_)}});
  if (!is_trained()) return sections;
  const auto floats = [&](const char* name, const std::vector<float>& values, std::size_t width) {
    sections.push_back(
        {name, width * sizeof(float), values.size() / width, {std::as_bytes(std::span(values))}});
  };
  const ResidualCodes& codes = trained()->codes;
  floats("rotation", codes.rotation().matrix(), dimension());
  floats("centroids", codes.centroids().values(), dimension());
  floats("books", codes.codes().books(), ProductCodes::kWords);
  trained()->lists.add_sections(sections);
  return sections;
}

inline Result<IvfPqIndex> IvfPqIndex::attach(std::size_t dimension, const IvfPqOptions& options,
                                             const SectionSet& set) {
  std::uint8_t rotate = 0;
  std::memcpy(&rotate, &options.rotate, sizeof rotate);
  if (rotate > 1) return damaged("options that are none");
  auto index = create(dimension, options);
  if (!index) return index;
  const auto section = set.find("meta", sizeof(Meta));
  if (!section) return section.error();
  if (section->count != 1) return damaged("no entry in section 'meta'");
  Meta meta;
  std::memcpy(static_cast<void*>(&meta), section->bytes.data(), sizeof meta);
  if (Status status = index->table_.attach(set); !status) return std::move(status).error();
  index->state_->tuning.restore(meta.tuning);
  if (meta.trained == 0) {
    if (index->positions() != 0) return damaged("positions without lists");
    return index;
  }
  auto learned = index->attach_codes(set);
  if (!learned) return std::move(learned).error();
  auto trained = std::make_unique<CodedLists>(*std::move(learned));
  if (Status status = trained->lists.attach(set, index->positions()); !status)
    return std::move(status).error();
  index->publish(std::move(trained));
  return index;
}

inline Result<ResidualCodes> IvfPqIndex::attach_codes(const SectionSet& set) const {
  const auto rotation = read_floats(set, "rotation", dimension());
  const auto centroids = read_floats(set, "centroids", dimension());
  const auto books = read_floats(set, "books", ProductCodes::kWords);
  if (!rotation) return rotation.error();
  if (!centroids) return centroids.error();
  if (!books) return books.error();
  const std::size_t numbers = dimension() * dimension();
  if (!rotation->empty() && rotation->size() != numbers) return damaged("half a rotation");
  if (centroids->empty() || centroids->size() / dimension() > kListsMax)
    return damaged("no lists, or too many");
  if (books->size() != dimension() * ProductCodes::kWords) return damaged("books that do not fit");
  return ResidualCodes(table_.metric(), Rotation(*rotation, dimension()),
                       Centroids(*centroids, dimension()),
                       ProductCodes(*books, dimension(), subspaces()));
}

inline Result<std::vector<float>> IvfPqIndex::read_floats(const SectionSet& set, const char* name,
                                                          std::size_t width) {
  const auto section = set.find(name, width * sizeof(float));
  if (!section) return section.error();
  std::vector<float> values(section->bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), section->bytes.data(), section->bytes.size());
  for (const float value : values) {
    if (!std::isfinite(value))
      return damaged("a number that is not finite in section '" + std::string(name) + "'");
  }
  return values;
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
