// Batches for tests of stores: owned content behind the borrowed RecordBatch.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/collection.hpp"
#include "support/random_rows.hpp"

namespace anear::test {

/// Keeps what a batch borrows. Not to be copied while `batch` is used.
class Batch {
 public:
  Batch& keys(std::vector<std::string> keys) {
    keys_ = std::move(keys);
    for (const std::string& key : keys_) views_.emplace_back(key);
    batch.keys = views_;
    return *this;
  }
  /// Keys "k0" … from `first` on.
  Batch& numbered(std::size_t first, std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("k" + std::to_string(first + i));
    return keys(std::move(names));
  }
  Batch& vectors(const std::string& name, const Rows& rows) { return vectors(name, rows.view()); }
  Batch& vectors(const std::string& name, MatrixView rows) {
    names_.push_back(name);
    batch.vectors.push_back({names_.back(), rows});
    return *this;
  }
  Batch& field(const std::string& name, std::vector<Value> values) {
    names_.push_back(name);
    values_.push_back(std::move(values));
    batch.fields.push_back({names_.back(), values_.back()});
    return *this;
  }
  Batch& payloads(std::vector<std::string> payloads) {
    payloads_ = std::move(payloads);
    for (const std::string& payload : payloads_) payload_views_.emplace_back(payload);
    batch.payloads = payload_views_;
    return *this;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): written where a batch is wanted.
  operator const RecordBatch&() const { return batch; }

  RecordBatch batch;

 private:
  std::vector<std::string> keys_;
  std::vector<std::string_view> views_;
  std::deque<std::string> names_;
  std::deque<std::vector<Value>> values_;
  std::vector<std::string> payloads_;
  std::vector<std::string_view> payload_views_;
};

/// A query with one leg.
inline Query near_to(VectorView vector, std::size_t k, const std::string& filter = {}) {
  Query query;
  query.legs.push_back({.vector = {}, .query = vector, .key = {}});
  query.k = k;
  query.filter.text = filter;
  return query;
}

inline std::vector<std::string> keys_of(const Hits& hits) {
  std::vector<std::string> keys;
  for (const Hit& hit : hits.hits) keys.push_back(hit.record.key);
  return keys;
}

}  // namespace anear::test
