// A store whose content follows from its sequence: commit 1 makes the collection, commit n writes
// or deletes batch n. So whoever has a sequence knows what has to be there.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <optional>
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

  /// Commits `batch`. Of seven, one updates the fields and one the rows of what the one before
  /// wrote, and one deletes that.
  static bool write(Collection& docs, Sequence batch) {
    const std::vector<std::string> keys = keys_of(batch);
    if (deletes(batch)) {
      const std::vector<std::string_view> gone(keys.begin(), keys.end());
      return docs.delete_keys(gone).has_value();
    }
    const Rows rows = rows_of(batch);
    Batch out;
    out.keys(keys);
    if (!updates_fields(batch)) out.vectors("v", rows);
    if (!updates_rows(batch))
      out.field("batch", std::vector<Value>(kBatch, Value(static_cast<std::int64_t>(batch))));
    const bool updates = updates_fields(batch) || updates_rows(batch);
    return updates ? docs.update(out).has_value() : docs.upsert(out).has_value();
  }

  /// `docs` holds exactly what was committed up to `sequence`, and searches find it exactly.
  static void expect_state(const Collection& docs, Sequence sequence) {
    const std::optional<Error> error = error_of(docs, sequence);
    INFO((error ? error->message : ""));
    REQUIRE_FALSE(error);
  }

  /// The same for a store that may be damaged: what a call said that did not answer.
  static std::optional<Error> error_of(const Collection& docs, Sequence sequence) {
    const Model model = model_at(sequence);
    INFO("sequence " << sequence);
    const auto page =
        docs.scan({.filter = {}, .after = {}, .limit = kKeys, .parts = {.vectors = true}});
    if (!page) return page.error();
    REQUIRE(page->size() == model.size());
    for (const Record& record : *page) {
      REQUIRE(model.contains(record.key));
      const Written& written = model.at(record.key);
      CHECK(std::get<std::int64_t>(record.fields.at(0).second) ==
            static_cast<std::int64_t>(written.batch));
      const auto* row = reinterpret_cast<const float*>(record.vectors.at(0).bytes.data());
      CHECK(std::equal(row, row + kDimension, written.row.begin()));
    }
    Random random(sequence);
    for (int i = 0; i < 3; ++i) {
      if (std::optional<Error> error = search_error(docs, model, random)) return error;
    }
    return {};
  }

 private:
  /// What was written last of a record: its field is `batch`.
  struct Written {
    Sequence batch = 0;
    std::vector<float> row;
  };
  using Model = std::map<std::string, Written>;

  static Model model_at(Sequence sequence) {
    Model model;
    for (Sequence batch = 2; batch <= sequence; ++batch) {
      const std::vector<std::string> keys = keys_of(batch);
      const Rows rows = rows_of(batch);
      for (std::size_t i = 0; i < kBatch; ++i) {
        const auto row = rows.values.begin() + static_cast<std::ptrdiff_t>(i * kDimension);
        Written& written = model[keys[i]];
        if (!updates_rows(batch)) written.batch = batch;
        if (!updates_fields(batch)) written.row.assign(row, row + kDimension);
        if (deletes(batch)) model.erase(keys[i]);
      }
    }
    return model;
  }
  static bool updates_fields(Sequence batch) { return batch % 7 == 3; }
  static bool updates_rows(Sequence batch) { return batch % 7 == 1 && batch != 1; }
  static bool deletes(Sequence batch) { return batch % 7 == 6; }
  static bool repeats(Sequence batch) {
    return updates_fields(batch) || updates_rows(batch) || deletes(batch);
  }
  static std::vector<std::string> keys_of(Sequence batch) {
    Random random((repeats(batch) ? batch - 1 : batch) * 7'919);
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
  static std::optional<Error> search_error(const Collection& docs, const Model& model,
                                           Random& random) {
    std::vector<float> query;
    for (std::size_t d = 0; d < kDimension; ++d) query.push_back(normal(random));
    std::vector<float> exact;
    for (const auto& [key, written] : model) {
      float sum = 0;
      for (std::size_t d = 0; d < kDimension; ++d) {
        const float difference = query[d] - written.row[d];
        sum += difference * difference;
      }
      exact.push_back(sum);
    }
    std::sort(exact.begin(), exact.end());
    exact.resize(std::min<std::size_t>(exact.size(), 10));
    Query asked = near_to(VectorView(std::span<const float>(query)), 10);
    asked.recall = 1.0F;
    const auto hits = docs.search(asked);
    if (!hits) return hits.error();
    REQUIRE(hits->hits.size() == exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i)
      CHECK(hits->hits[i].distance == Approx(exact[i]).epsilon(1e-4));
    return {};
  }
};

}  // namespace anear::test
