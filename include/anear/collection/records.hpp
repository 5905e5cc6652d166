// What goes into a collection and what comes out: batches, queries, hits, pages, statistics. Plain
// structs.
//
// Inputs are borrowed for the call; outputs own their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/matrix_view.hpp"
#include "anear/core/types.hpp"
#include "anear/core/value.hpp"
#include "anear/filter/parameter.hpp"

namespace anear {

/// The rows of one named vector for a batch: row i belongs to key i. `present`, when not empty, has
/// one entry a key; records with a 0 there get no row (the row in `rows` is skipped unread).
struct VectorColumn {
  std::string_view name{};
  MatrixView rows{};
  std::span<const std::uint8_t> present{};
};

/// The values of one field for a batch: value i belongs to key i. Missing leaves the field out.
struct FieldColumn {
  std::string_view name{};
  std::span<const Value> values{};
};

/// Records to be written together: all of them or none.
struct RecordBatch {
  std::span<const std::string_view>
      keys{};  ///< UTF-8, 1 to kKeyBytesMax bytes, each at most once in a batch.
  std::vector<VectorColumn> vectors{};
  std::vector<FieldColumn> fields{};
  std::span<const std::string_view>
      payloads{};  ///< Empty (none), or one a key; at most 16 MiB each.
  /// Empty, or one a key: the record's current sequence the caller saw (0: it must not exist).
  /// Another one refuses the batch with kConflict.
  std::span<const Sequence> expected{};
};

/// A filter as text (filter/parser.hpp) with parameters. Empty text: every record.
struct FilterText {
  std::string text{};
  std::vector<Parameter> parameters{};
};

/// One thing to be near to: a vector, or the stored vector of a record.
struct Leg {
  std::string vector{};  ///< The named vector; empty when the collection has exactly one.
  VectorView query{};    ///< Borrowed. Ignored when `key` is set.
  std::string key{};  ///< "More like this record": its stored row is the query; the record itself
                      ///< is not returned.
};

/// Which parts of a record an answer carries. Keys and distances always are.
struct Parts {
  bool fields = true;
  /// Empty: all. Otherwise only these; kUnknownField for one that is not declared, unless the
  /// collection is dynamic.
  std::vector<std::string> field_names{};
  bool payload = false;
  bool vectors = false;
};

/// A search: legs, one filter, how many and how sure.
struct Query {
  std::vector<Leg> legs{};  ///< Exactly one today; the shape is ready for several with a fusion.
  FilterText filter{};
  std::size_t k = 10;      ///< 1 to kNearestMax.
  float recall = 0.95F;    ///< The target that holds under every filter. 1: exact.
  std::size_t effort = 0;  ///< Expert override: ef or probes. 0: from `recall`.
  Parts parts{};
  bool explain = false;
};

/// One stored row that came out of a collection.
struct StoredVector {
  std::string name{};
  ScalarKind kind = ScalarKind::kF32;
  std::vector<std::byte> bytes{};  ///< dimension · bytes_of(kind), as written.
  VectorView view() const noexcept { return {bytes.data(), bytes.size() / bytes_of(kind), kind}; }
};

/// A record as stored.
struct Record {
  std::string key{};
  Sequence sequence = 0;     ///< Of the commit that wrote it last.
  std::int64_t created = 0;  ///< Microseconds UTC.
  std::int64_t updated = 0;
  Fields fields{};
  std::string payload{};
  std::vector<StoredVector> vectors{};
};

/// One found record: `distance` by the metric (smaller is nearer), `score` = −distance, `relevance`
/// in 0..1, and the distance of each leg.
struct Hit {
  float distance = 0;
  float score = 0;
  float relevance = 0;
  std::vector<float> leg_distances{};
  Record record{};  ///< Filled as Query::parts asks; key always.
};

/// How an answer was made.
struct Explain {
  /// "flat scan", "graph walk", "filtered graph walk", "inverted lists", "filtered inverted lists",
  /// "exact scan of the matches".
  std::string plan{};
  std::size_t live = 0;     ///< Records in the view.
  std::size_t matches = 0;  ///< Of these, how many pass the filter (live when there is none).
  std::size_t tail = 0;     ///< Records that were scanned because the index does not have them yet.
  std::uint64_t distances = 0;
  std::uint64_t hops = 0;
  std::uint64_t reranked = 0;
  double filter_micros = 0;
  double search_micros = 0;
  double fetch_micros = 0;
  Sequence sequence = 0;
  Sequence indexed_sequence = 0;
};

/// The answer to a Query, nearest first. Fewer than k hits only when fewer than k records match.
struct Hits {
  std::vector<Hit> hits{};
  Sequence sequence = 0;  ///< The commit that the answer reflects.
  std::optional<Explain> explain{};
};

/// The answers to many queries in rectangular form: row i holds `found[i]` ≤ k answers, then empty
/// keys and +inf.
struct BatchHits {
  std::size_t k = 0;
  std::vector<std::string> keys{};     ///< queries · k
  std::vector<float> distances{};      ///< queries · k
  std::vector<std::uint32_t> found{};  ///< queries
  Sequence sequence = 0;
};

/// A walk through all records in ascending order of key.
struct Scan {
  FilterText filter{};
  std::string after{};  ///< Only keys greater than this; the last key of the page before.
  std::size_t limit = 1'000;
  Parts parts{};
};

/// What a collection knows of itself at one moment.
struct CollectionStats {
  std::uint64_t records = 0;
  Sequence last_sequence = 0;
  Sequence indexed_sequence = 0;
  std::uint64_t tail_records = 0;  ///< Committed, not yet in the index: scanned by each search.
  std::uint64_t stalls = 0;        ///< Writes that had to wait for the indexer.
  std::uint64_t slots = 0;         ///< All slots that were ever given out are below.
  std::uint64_t memory_bytes = 0;  ///< Codes, links, rows, maps and keys of live indexes and tails.
  std::uint64_t image_bytes = 0;   ///< Bytes of the current images on disk.
  Sequence image_sequence = 0;     ///< What the newest image covers.
  /// Not 0: the commit of an erase that is not finished. The records are gone, their bytes may
  /// still stand in files.
  Sequence erasing = 0;
  /// Known to be damaged of the collection's files and of those that all share: see
  /// Store::scrub_stats(). A row file that was found damaged as it was read counts once.
  std::uint64_t damaged_files = 0;
  bool degraded = false;  ///< Answers are exact but slow until the index has been rebuilt, or rows
                          ///< are damaged and searches of their vector fail: see `reason`.
  std::string reason{};   ///< Why degraded, damaged, full or read-only; empty otherwise.
};

}  // namespace anear
