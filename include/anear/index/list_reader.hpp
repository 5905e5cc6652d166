// The search of IVF-PQ: reads the codes of the lists nearest to a query, then compares the best of
// their rows.
//
// Threads: takes no locks and runs beside appends to the lists; one Scratch a thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "anear/index/inverted_lists.hpp"
#include "anear/index/ivf_tuning.hpp"
#include "anear/index/vector_table.hpp"
#include "anear/quant/residual_codes.hpp"

namespace anear {
inline namespace ANEAR_ISA_NAMESPACE {

/// What an index learned from a sample, and the lists it fills since. Never replaced once
/// published.
struct CodedLists {
  explicit CodedLists(ResidualCodes learned)
      : codes(std::move(learned)), lists(codes.lists(), codes.code_bytes()) {}
  std::size_t bytes() const noexcept { return codes.bytes() + lists.bytes(); }

  ResidualCodes codes;
  InvertedLists lists;
};

/// How the lists are read and what may be returned.
struct Probing {
  std::size_t k = 0;
  double share = 1;  ///< Of the positions that may be returned.
  ListLimit lists{};
  CodeGaps gaps{};
  const Wanted* wanted = nullptr;
  Position hidden = kNoPosition;  ///< Left out: its own row is the query of a calibration.
};

/// A view of one index; both arguments outlive it.
class ListReader {
 public:
  ListReader(const VectorTable& table, const CodedLists& learned)
      : table_(table), codes_(learned.codes), lists_(learned.lists) {}

  /// Fills scratch.pool with positions to re-rank. False: it is cheaper to compare every wanted
  /// slot.
  bool probe(VectorView query, const Probing& probing, Scratch& scratch, SearchCost* cost) const;

  /// Of what probe() left in the scratch. Compares rows in the order of the least length that their
  /// codes allow, until that is beyond the row that the gaps were measured by, the `measured_k`-th.
  std::vector<Neighbor> rerank(VectorView query, std::size_t k, std::size_t measured_k,
                               Scratch& scratch, SearchCost* cost) const;

 private:
  /// How many entries can be looked at for the cost of comparing a row.
  static constexpr std::size_t kLooks = 5;
  /// Rows that are fetched before they are compared.
  static constexpr std::size_t kAhead = 4;

  static std::size_t rank_further(std::vector<Neighbor>& lists, std::size_t sorted);
  ListsMet scan_list(std::uint32_t list, const Probing& probing, Scratch& scratch) const;

  const VectorTable& table_;
  const ResidualCodes& codes_;
  const InvertedLists& lists_;
};

inline bool ListReader::probe(VectorView query, const Probing& probing, Scratch& scratch,
                              SearchCost* cost) const {
  codes_.prepare(query, scratch.coded_query);
  std::vector<Neighbor>& ranked = scratch.candidates;
  codes_.rank_lists(scratch.coded_query, ranked);
  scratch.found.reset(probing.k);
  scratch.pool.clear();
  std::size_t sorted = rank_further(ranked, 0);
  const float nearest = ranked.front().distance;
  ListsMet met;
  bool hole = false;
  for (std::size_t i = 0; i < std::min(probing.lists.probes, ranked.size()); ++i) {
    if (i == sorted) sorted = rank_further(ranked, sorted);
    hole = hole || met.is_hole(probing.share);
    // Before there are k nothing is known of how far they are.
    if (const float kth = scratch.found.threshold(); std::isfinite(kth)) {
      const ListLimit& limit = probing.lists;
      const float length = codes_.list_length(ranked[i].distance);
      if (length > kth + (hole ? limit.behind_code_beyond : limit.behind_code)) break;
      if (!hole && ranked[i].distance > nearest + limit.behind_first) break;
    }
    const ListsMet found = scan_list(ranked[i].reference, probing, scratch);
    met.entries += found.entries;
    met.wanted += found.wanted;
    if (cost != nullptr) {
      cost->distances += found.wanted;
      ++cost->hops;
    }
    if (probing.wanted != nullptr && met.entries > kLooks * probing.wanted->count()) return false;
  }
  return true;
}

inline std::vector<Neighbor> ListReader::rerank(VectorView query, std::size_t k,
                                                std::size_t measured_k, Scratch& scratch,
                                                SearchCost* cost) const {
  std::vector<Neighbor>& pool = scratch.pool;
  std::sort(pool.begin(), pool.end());
  table_.rows().prepare(query, scratch.row_query);
  scratch.found.reset(measured_k);
  float bound = std::numeric_limits<float>::infinity();
  std::size_t compared = 0;
  for (; compared < pool.size() && pool[compared].distance <= bound; ++compared) {
    if (compared + kAhead < pool.size()) table_.rows().prefetch(pool[compared + kAhead].reference);
    const Position position = pool[compared].reference;
    const float distance = table_.rows().distance(scratch.row_query, position);
    if (!(distance < scratch.found.threshold())) continue;
    scratch.found.push({distance, position});
    bound = codes_.length(scratch.coded_query, codes_.of_rows(scratch.found.threshold()));
  }
  if (cost != nullptr) cost->reranked += compared;
  return table_.rerank(query, k, scratch.found.sorted(), scratch, nullptr);
}

/// Puts in order what follows the first `sorted` of the nearest lists, as many again or 32; returns
/// how many are in order then. Most searches read few lists, and how many is known on the way only.
inline std::size_t ListReader::rank_further(std::vector<Neighbor>& lists, std::size_t sorted) {
  const std::size_t end = std::min(std::max<std::size_t>(32, 2 * sorted), lists.size());
  const auto at = [&](std::size_t i) { return lists.begin() + static_cast<std::ptrdiff_t>(i); };
  if (end < lists.size()) std::nth_element(at(sorted), at(end), lists.end());
  std::sort(at(sorted), at(end));
  return end;
}

inline ListsMet ListReader::scan_list(std::uint32_t list, const Probing& probing,
                                      Scratch& scratch) const {
  const CodedQuery& query = scratch.coded_query;
  const float base = codes_.list_distance(query, list);
  const std::size_t code_bytes = codes_.code_bytes();
  const float error = lists_.error(list);
  const auto bound_of_now = [&] {
    return codes_.from_length(query, scratch.found.threshold() + probing.gaps.code * error);
  };
  float bound = bound_of_now();
  const bool partial = probing.wanted != nullptr || probing.share < 1.0;
  ListsMet met;
  lists_.for_each_run(list, [&](const InvertedLists::Entries& run) {
    met.entries += run.count;
    for (std::size_t i = 0; i < run.count; ++i) {
      const Position position = run.positions[i];
      if (partial && !table_.is_wanted(position, probing.wanted)) continue;
      ++met.wanted;
      const float distance =
          base + run.biases[i] + codes_.code_distance(query, run.codes + i * code_bytes);
      // Not written as `>`: what damaged bytes make no number of is left out.
      if (!(distance <= bound) || position == probing.hidden || table_.slot(position) == kNoSlot)
        continue;
      const float length = codes_.length(query, distance);
      scratch.pool.push_back({length - probing.gaps.row * error, position});
      if (!(length < scratch.found.threshold())) continue;
      scratch.found.push({length, position});
      bound = bound_of_now();
    }
  });
  return met;
}

}  // namespace ANEAR_ISA_NAMESPACE
}  // namespace anear
