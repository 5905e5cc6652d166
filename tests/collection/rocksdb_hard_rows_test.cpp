// A target of recall holds for rows that 8-bit codes do not tell apart: in the tail, in an index
// that was never measured, in one that was, under a filter, after deletes and after opening again.
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "anear/collection/store.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/hard_rows.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_hard_rows_test {

using namespace anear;
using namespace anear::test;
using anear::testing::TempDirectory;

namespace {

constexpr float kTarget = 0.99F;
constexpr std::size_t kQueries = 100;

/// What is in a collection, and what is asked of it.
struct Trial {
  const HardRows& kind;
  Rows rows;
  Rows queries;
  std::set<std::size_t> deleted{};

  void check(const Collection& docs, const std::string& when) const {
    for (const std::size_t below : {rows.count(), rows.count() / 4}) {
      const auto counts = [&](std::size_t i) { return i < below && !deleted.contains(i); };
      const ExactAnswers exact(kind, rows, queries, 100, counts);
      const std::string filter = below < rows.count() ? "size < " + std::to_string(below) : "";
      for (const std::size_t k : {1U, 10U, 100U}) {
        INFO(kind.name << ", " << when << ", k = " << k << ", of " << below);
        const double recall = exact.recall(k, [&](VectorView vector) {
          Query query = near_to(vector, k, filter);
          query.recall = kTarget;
          std::vector<std::size_t> found;
          for (const Hit& hit : must(docs.search(query)).hits) {
            found.push_back(std::stoul(hit.record.key.substr(1)));
            REQUIRE(counts(found.back()));
          }
          REQUIRE(found.size() == k);
          return found;
        });
        // A hundred queries tell the share of the nearest one to a point or two.
        CHECK(recall >= (k == 1 ? 0.96 : 0.98));
      }
    }
  }
};

}  // namespace

TEST_CASE("A target of recall holds for rows that 8-bit codes do not tell apart") {
  const std::size_t count = takes_few_rows() ? 1'500 : 6'000;
  for (const HardRows& kind : hard_rows()) {
    const TempDirectory directory;
    const std::string path = directory / "store";
    Trial trial{kind, kind.draw(count, 1), kind.draw(kQueries, 2)};
    const CollectionSchema schema{
        .vectors = {{.name = "embedding", .dimension = kind.dimension, .metric = kind.metric}},
        .fields = {{"size", FieldType::kInt64}}};
    {
      Store store = must_open(path, {.durability = Durability::kBuffered});
      Collection docs = must(store.create_collection("docs", schema));
      add_docs(docs, trial.rows, 0, count);
      trial.check(docs, "while it is indexed");
      REQUIRE(docs.flush());
      trial.check(docs, "indexed");
    }
    Store store = must_open(path, {.durability = Durability::kBuffered});
    Collection docs = must(store.collection("docs"));
    CHECK_FALSE(must(docs.stats()).degraded);
    trial.check(docs, "opened again");
    for (std::size_t i = 0; i < count; i += 3) trial.deleted.insert(i);
    std::vector<std::string> keys;
    for (const std::size_t i : trial.deleted) keys.push_back("k" + std::to_string(i));
    const std::vector<std::string_view> views(keys.begin(), keys.end());
    REQUIRE(docs.delete_keys(views));
    trial.check(docs, "after a third was deleted");
    REQUIRE(docs.flush());
    trial.check(docs, "after that was indexed");
    REQUIRE(store.verify());
  }
}

}  // namespace rocksdb_hard_rows_test
