// What a caller decides about an index, with every default explained. Plain structs: copy them,
// change them, pass them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "anear/core/progress.hpp"
#include "anear/core/types.hpp"

namespace anear {

class Wanted;

/// Search over all rows, exact unless it has codes: the floor of every fallback and the oracle of
/// the tests.
struct FlatOptions {
  Metric metric = Metric::kCosine;
  ScalarKind rows =
      ScalarKind::kF32;  ///< kF32 or kF16: rows are kept exactly as given when this is their kind.
  /// kI8: a search compares one scaled byte a dimension and re-ranks the nearest on rows, which is
  /// faster and exact in practice; with recall 1 it compares the rows. Otherwise it always does.
  ScalarKind codes = ScalarKind::kF32;
};

/// A graph index (Malkov & Yashunin 2016, arXiv 1603.09320).
struct HnswOptions {
  Metric metric = Metric::kCosine;
  /// What the walk reads. kI8 (one scaled byte a dimension) is fastest; candidates are re-ranked on
  /// rows, so that the distances returned are exact. Where `codes` equals `rows` nothing is stored
  /// twice.
  ScalarKind codes = ScalarKind::kI8;
  ScalarKind rows = ScalarKind::kF32;  ///< What the re-rank reads: kF32 or kF16.
  std::uint32_t links_max = 16;  ///< M: links on levels ≥ 1; level 0 has twice as many. 2 to 512.
  std::uint32_t ef_construction =
      200;  ///< Candidates weighed for each insertion. More: better graph, slower build.
  std::uint64_t seed =
      0x616e656172;  ///< Levels are drawn from it; the same seed and order give the same graph.
};

/// Inverted lists of product codes (Jégou et al. 2011), re-ranked on rows. Needs train() before
/// insert().
struct IvfPqOptions {
  Metric metric = Metric::kCosine;
  ScalarKind rows = ScalarKind::kF32;  ///< What the re-rank reads: kF32 or kF16.
  std::uint32_t lists = 0;             ///< Number of lists; 0: 4·√(training rows), at least 1.
  std::uint32_t subspaces = 0;  ///< Bytes of a code; 0: one for every 8 dimensions, at least 1.
  bool rotate = true;           ///< Learn a rotation (PCA with balanced eigenvalues) before coding.
  std::uint32_t iterations = 10;  ///< k-means rounds.
  /// A collection trains from so many rows on and is searched exactly until then. 1 or more;
  /// IvfPqIndex itself does not use it.
  std::uint32_t train_from = 10'000;
  std::uint64_t seed = 0x616e656172;  ///< Starting centroids and samples are drawn from it.
};

/// How bulk work runs.
struct BuildOptions {
  std::size_t threads =
      1;  ///< 0: all of the machine. More than one gives up the exact repeatability of the graph.
  ProgressCallback progress{};
};

/// One search of one index.
struct SearchOptions {
  std::size_t k = 10;    ///< 1 to kNearestMax.
  float recall = 0.95F;  ///< The share of the true k nearest that is to be found, by calibration.
                         ///< Above 0, at most 1.
  std::size_t effort =
      0;  ///< Expert override of the calibration: ef (HNSW), probes (IVF). 0: from `recall`.
  /// Only slots in this set are returned (nullptr: all that were not erased). Borrowed for the
  /// call.
  const Wanted* wanted = nullptr;
  /// False: `wanted` is every live slot, some of which may have no row in this index. It decides
  /// how far a search looks, not what it returns.
  bool filtered = true;
};

/// What one search cost; added to, so that a caller may sum over searches.
struct SearchCost {
  std::uint64_t distances = 0;  ///< Codes compared with the query.
  std::uint64_t hops = 0;       ///< Positions expanded (HNSW) or lists read (IVF).
  std::uint64_t reranked = 0;   ///< Rows read.
};

}  // namespace anear
