// A store whose content follows from its sequence: commit 1 makes the collection, commit n writes
// or deletes batch n. So whoever has a sequence knows what has to be there.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/collection/batches.hpp"

namespace anear::test {

class NumberedBatches {
 public:
  static constexpr std::size_t kDimension = 8;
  static constexpr std::size_t kBatch = 20;
  static constexpr std::size_t kKeys = 300;

  static CollectionSchema schema() {
    return {.vectors = {{.name = "v", .dimension = kDimension, .metric = Metric::kL2}},
            .fields = {{"batch", FieldType::kInt64}}};
  }
  static Collection make(Store& store) {
    auto docs = store.create_collection("docs", schema());
    REQUIRE(docs);
    return std::move(*docs);
  }

  /// Commits `batch`. Every seventh deletes what the one before wrote.
  static bool write(Collection& docs, Sequence batch) {
    const std::vector<std::string> keys = keys_of(batch);
    if (deletes(batch)) {
      const std::vector<std::string_view> gone(keys.begin(), keys.end());
      return docs.delete_keys(gone).has_value();
    }
    const Rows rows = rows_of(batch);
    Batch out;
    out.keys(keys).vectors("v", rows).field(
        "batch", std::vector<Value>(kBatch, Value(static_cast<std::int64_t>(batch))));
    return docs.upsert(out).has_value();
  }

  /// `docs` holds exactly what was committed up to `sequence`, and searches find it exactly.
  static void expect_state(const Collection& docs, Sequence sequence) {
    std::map<std::string, Place> model;
    for (Sequence batch = 2; batch <= sequence; ++batch) {
      const std::vector<std::string> keys = keys_of(batch);
      for (std::size_t i = 0; i < kBatch; ++i) {
        if (deletes(batch))
          model.erase(keys[i]);
        else
          model[keys[i]] = {batch, i};
      }
    }
    INFO("sequence " << sequence);
    const auto page =
        docs.scan({.filter = {}, .after = {}, .limit = kKeys, .parts = {.vectors = true}});
    REQUIRE(page);
    REQUIRE(page->size() == model.size());
    for (const Record& record : *page) {
      REQUIRE(model.contains(record.key));
      const Place place = model.at(record.key);
      CHECK(std::get<std::int64_t>(record.fields.at(0).second) ==
            static_cast<std::int64_t>(place.batch));
      const Rows rows = rows_of(place.batch);
      const auto* row = reinterpret_cast<const float*>(record.vectors.at(0).bytes.data());
      CHECK(std::equal(row, row + kDimension, rows.values.data() + place.row * kDimension));
    }
    Random random(sequence);
    for (int i = 0; i < 3; ++i) expect_exact_search(docs, model, random);
  }

 private:
  struct Place {
    Sequence batch = 0;
    std::size_t row = 0;
  };

  static bool deletes(Sequence batch) { return batch % 7 == 6; }
  static std::vector<std::string> keys_of(Sequence batch) {
    Random random((deletes(batch) ? batch - 1 : batch) * 7'919);
    const std::size_t first = random.below(kKeys);
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < kBatch; ++i)
      keys.push_back("k" + std::to_string((first + i * 3) % kKeys));
    return keys;
  }
  static Rows rows_of(Sequence batch) {
    Random random(batch * 104'729);
    Rows rows{kDimension, {}};
    for (std::size_t i = 0; i < kBatch * kDimension; ++i) rows.values.push_back(normal(random));
    return rows;
  }
  static void expect_exact_search(const Collection& docs, const std::map<std::string, Place>& model,
                                  Random& random) {
    std::vector<float> query;
    for (std::size_t d = 0; d < kDimension; ++d) query.push_back(normal(random));
    std::vector<float> exact;
    for (const auto& [key, place] : model) {
      const Rows rows = rows_of(place.batch);
      float sum = 0;
      for (std::size_t d = 0; d < kDimension; ++d) {
        const float difference = query[d] - rows.values[place.row * kDimension + d];
        sum += difference * difference;
      }
      exact.push_back(sum);
    }
    std::sort(exact.begin(), exact.end());
    exact.resize(std::min<std::size_t>(exact.size(), 10));
    Query asked = near_to(VectorView(std::span<const float>(query)), 10);
    asked.recall = 1.0F;
    const auto hits = docs.search(asked);
    REQUIRE(hits);
    REQUIRE(hits->hits.size() == exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i)
      CHECK(hits->hits[i].distance == Approx(exact[i]).epsilon(1e-4));
  }
};

}  // namespace anear::test
