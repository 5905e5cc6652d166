// How an index learns what recall it has: some of its own rows are the queries, each hidden from
// its search, and an exact scan is the truth.
//
// Threads: plain functions; searches and writes may run beside them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "anear/core/parallel.hpp"
#include "anear/core/random.hpp"
#include "anear/index/calibration.hpp"
#include "anear/index/vector_table.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

struct OwnQuery {
  Position position = kNoPosition;
  Metric metric = Metric::kCosine;
  std::vector<float> truth;  ///< Distances of the true neighbours, ascending.
  std::vector<Slot>
      nearest;  ///< Slots that `truth` begins with, or that lie nearer than all of it.
};

/// How much draw_own_queries() draws, at most.
struct OwnQueriesSize {
  std::size_t queries = 128;
  std::size_t neighbors = Calibration::kMeasured.back();  ///< Of each.
};

/// Live rows with the distances of their nearest. Costs an exact scan each.
inline std::vector<OwnQuery> draw_own_queries(const VectorTable& table, std::uint64_t seed,
                                              const BuildOptions& build,
                                              const OwnQueriesSize& size = {}) {
  const std::size_t total = table.size();
  Random random(seed ^ total);
  std::vector<OwnQuery> queries;
  for (std::size_t tries = 0; tries < 8 * size.queries && queries.size() < size.queries; ++tries) {
    const auto position = static_cast<Position>(random.below(total));
    if (table.slot(position) != kNoSlot) queries.push_back({position, table.metric(), {}, {}});
  }
  std::vector<Scratch> scratches(thread_count(build.threads));
  const SearchOptions exact{.k = size.neighbors + 1, .recall = 1.0F};
  parallel_for(
      queries.size(), build.threads, 4,
      [&](std::size_t begin, std::size_t end, std::size_t thread) {
        for (std::size_t i = begin; i < end; ++i) {
          const Slot own = table.slot(queries[i].position);
          for (const Neighbor& neighbor : table.nearest_of(table.rows().view(queries[i].position),
                                                           exact, scratches[thread], nullptr)) {
            if (neighbor.reference == own) continue;
            queries[i].truth.push_back(neighbor.distance);
            queries[i].nearest.push_back(neighbor.reference);
          }
        }
        return true;
      });
  return queries;
}

/// The same query as a filter sees it that excludes the `excluded` nearest: those are left in
/// `nearest`, the truth begins behind them.
inline OwnQuery beyond_nearest(OwnQuery query, std::size_t excluded) {
  const std::size_t from = std::min(excluded, query.truth.size());
  query.truth.erase(query.truth.begin(), query.truth.begin() + static_cast<std::ptrdiff_t>(from));
  query.nearest.resize(from);
  return query;
}

/// Whether `distance` is that of one of the `wanted` true neighbours, up to rounding.
inline bool is_true_neighbor(const OwnQuery& query, std::size_t wanted, float distance) noexcept {
  const float bound = query.truth[wanted - 1];
  // Squares of differences have some digits however small they are; a product is of numbers that
  // may be larger than what it says of the distance: the largest product says how large.
  if (query.metric == Metric::kL2) return distance <= bound * (1.0F + 1e-5F);
  const float size = query.metric == Metric::kCosine
                         ? 1.0F
                         : std::max(std::fabs(query.truth.front()), std::fabs(bound));
  return distance <= bound + 1e-6F * size;
}

/// Shares of what is true among what was found, over all queries.
struct MeanRecall {
  float of_all = 1.0F;    ///< Of the true k.
  float of_first = 1.0F;  ///< Of the nearest one.
};

/// What search(query, scratch) finds, k of them at most, with exact distances, nearest first.
template <typename Search>
MeanRecall recall_of(const std::vector<OwnQuery>& queries, std::size_t k, const BuildOptions& build,
                     Search&& search) {
  std::vector<Scratch> scratches(thread_count(build.threads));
  std::vector<std::pair<double, double>> shares(queries.size(), {1.0, 1.0});
  parallel_for(queries.size(), build.threads, 8,
               [&](std::size_t begin, std::size_t end, std::size_t thread) {
                 for (std::size_t i = begin; i < end; ++i) {
                   const std::size_t wanted = std::min(k, queries[i].truth.size());
                   if (wanted == 0) continue;
                   const std::vector<Neighbor> found = search(queries[i], scratches[thread]);
                   const auto hits = static_cast<std::size_t>(
                       std::count_if(found.begin(), found.end(), [&](const Neighbor& neighbor) {
                         return is_true_neighbor(queries[i], wanted, neighbor.distance);
                       }));
                   const bool first =
                       !found.empty() && is_true_neighbor(queries[i], 1, found.front().distance);
                   shares[i] = {
                       static_cast<double>(std::min(hits, wanted)) / static_cast<double>(wanted),
                       first ? 1.0 : 0.0};
                 }
                 return true;
               });
  if (queries.empty()) return {};
  double all = 0, first = 0;
  for (const auto& [of_all, of_first] : shares) {
    all += of_all;
    first += of_first;
  }
  const auto count = static_cast<double>(queries.size());
  return {static_cast<float>(all / count), static_cast<float>(first / count)};
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
