// A collection's calls, one after another: what they answer and what they refuse.
#include "anear/collection/collection.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <thread>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/stores.hpp"

namespace collection_test {

using namespace anear;
using anear::test::Batch;
using anear::test::clustered_rows;
using anear::test::memory_store;
using anear::test::near_to;

namespace {

constexpr std::size_t kDimension = 16;

CollectionSchema schema_of_docs(IndexOptions index = HnswOptions{}) {
  return {.vectors = {{.name = "embedding",
                       .dimension = kDimension,
                       .metric = Metric::kCosine,
                       .index = std::move(index)}},
          .fields = {{"section", FieldType::kString},
                     {"size", FieldType::kInt64},
                     {"tags", FieldType::kStringList}},
          .dynamic = false};
}

/// 600 records k0…: section by i % 3, size i.
Collection fill(Store& store, const test::Rows& rows, const CollectionSchema& schema) {
  auto docs = store.create_collection("docs", schema);
  REQUIRE(docs);
  std::vector<Value> sections;
  std::vector<Value> sizes;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    sections.emplace_back(std::string(i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c"));
    sizes.emplace_back(static_cast<std::int64_t>(i));
  }
  Batch batch;
  batch.numbered(0, rows.count())
      .vectors("embedding", rows)
      .field("section", sections)
      .field("size", sizes);
  REQUIRE(docs->upsert(batch));
  return *docs;
}

float cosine_distance(VectorView a, VectorView b) {
  const auto* x = static_cast<const float*>(a.data());
  const auto* y = static_cast<const float*>(b.data());
  double dot = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < a.dimension(); ++i) {
    dot += double{x[i]} * double{y[i]};
    xx += double{x[i]} * double{x[i]};
    yy += double{y[i]} * double{y[i]};
  }
  return static_cast<float>(1.0 - dot / std::sqrt(xx * yy));
}

template <typename T>
void expect_refused(const Result<T>& outcome, ErrorCode code, Subcode subcode,
                    std::int64_t record) {
  REQUIRE_FALSE(outcome);
  INFO(outcome.error().message);
  CHECK(outcome.error().code == code);
  CHECK(outcome.error().subcode == subcode);
  CHECK(outcome.error().record == record);
}

}  // namespace

TEST_CASE("A record is found the moment its write is acknowledged") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 1);
  Collection docs = fill(store, rows, schema_of_docs());
  for (std::size_t i = 0; i < 600; i += 37) {
    const auto hits = docs.search(near_to(rows.row(i), 1));
    REQUIRE(hits);
    REQUIRE(hits->hits.size() == 1);
    CHECK(hits->hits[0].record.key == "k" + std::to_string(i));
    CHECK(hits->hits[0].distance == Approx(0).margin(1e-5));
    CHECK(std::get<std::int64_t>(hits->hits[0].record.fields[1].second) ==
          static_cast<std::int64_t>(i));
  }
}

TEST_CASE("A search returns the exact nearest under a filter, before and after indexing") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 2);
  const auto queries = clustered_rows({20, kDimension}, 3);
  Collection docs = fill(store, rows, schema_of_docs());
  const bool indexed = GENERATE(false, true);
  if (indexed) REQUIRE(docs.flush());
  CHECK((docs.stats()->tail_records == 0 || !indexed));
  for (std::size_t q = 0; q < queries.count(); ++q) {
    std::vector<float> exact;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      if (i % 3 == 1 && i < 400) exact.push_back(cosine_distance(queries.row(q), rows.row(i)));
    }
    std::sort(exact.begin(), exact.end());
    const auto hits = docs.search(near_to(queries.row(q), 5, "section = 'b' and size < 400"));
    REQUIRE(hits);
    REQUIRE(hits->hits.size() == 5);
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(hits->hits[i].distance == Approx(exact[i]).margin(1e-5));
  }
}

TEST_CASE("A search never returns fewer than k when k match") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 4);
  Collection docs = fill(store, rows, schema_of_docs());
  REQUIRE(docs.flush());
  for (const auto& [filter, matches] : std::vector<std::pair<std::string, std::size_t>>{
           {"size < 3", 3}, {"size < 50", 50}, {"not (size < 590)", 10}, {"section = 'x'", 0}}) {
    const auto hits = docs.search(near_to(rows.row(300), 40, filter));
    REQUIRE(hits);
    CHECK(hits->hits.size() == std::min<std::size_t>(matches, 40));
  }
  CHECK(docs.search(near_to(rows.row(0), 10'000))->hits.size() == 600);
}

TEST_CASE("A search whose filter many match walks its index, and misses little and never k") {
  Store store = memory_store();
  const auto rows = clustered_rows({4'000, kDimension}, 2);
  const auto queries = clustered_rows({40, kDimension}, 3);
  const bool lists = GENERATE(false, true);
  const IndexOptions index =
      lists ? IndexOptions(IvfPqOptions{.train_from = 2'000}) : IndexOptions(HnswOptions{});
  Collection docs = fill(store, rows, schema_of_docs(index));
  REQUIRE(docs.flush());
  const std::string filter = "section != 'b'";
  std::size_t hit = 0;
  constexpr std::size_t kNearest = 10;
  for (std::size_t q = 0; q < queries.count(); ++q) {
    std::vector<float> exact;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      if (i % 3 != 1) exact.push_back(cosine_distance(queries.row(q), rows.row(i)));
    }
    std::nth_element(exact.begin(), exact.begin() + kNearest - 1, exact.end());
    Query query = near_to(queries.row(q), kNearest, filter);
    query.recall = 0.9F;
    query.explain = true;
    const auto hits = docs.search(query);
    REQUIRE(hits);
    REQUIRE(hits->explain);
    CHECK(std::string(hits->explain->plan) ==
          (lists ? "filtered inverted lists" : "filtered graph walk"));
    REQUIRE(hits->hits.size() == kNearest);
    for (const Hit& found : hits->hits) {
      CHECK(std::get<std::string>(found.record.fields[0].second) != "b");
      hit += found.distance <= exact[kNearest - 1] + 1e-5F ? 1 : 0;
    }
    CHECK(docs.search(near_to(queries.row(q), 2'000, filter))->hits.size() == 2'000);
  }
  CHECK(static_cast<double>(hit) / static_cast<double>(kNearest * queries.count()) >= 0.9);
}

TEST_CASE("An upsert replaces the whole record, an update merges into it") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 5);
  Collection docs = fill(store, rows, schema_of_docs());
  REQUIRE(docs.upsert(Batch()
                          .numbered(7, 1)
                          .vectors("embedding", rows.row(100))
                          .field("tags", {std::vector<std::string>{"new"}})));
  const std::string_view key = "k7";
  auto record = docs.get({&key, 1}, {.vectors = true});
  REQUIRE(record);
  REQUIRE(record->front());
  CHECK((*record)[0]->fields == Fields{{"tags", std::vector<std::string>{"new"}}});
  CHECK(cosine_distance((*record)[0]->vectors[0].view(), rows.row(100)) < 1e-6);
  CHECK(*docs.count({}) == 600);

  REQUIRE(docs.update(Batch().numbered(7, 1).field("size", {std::int64_t{5}}).payloads({"kept"})));
  REQUIRE(docs.update(Batch().numbered(7, 1).field("section", {Null{}})));
  record = docs.get({&key, 1}, {.payload = true});
  CHECK((*record)[0]->fields == Fields{{"section", Null{}},
                                       {"size", std::int64_t{5}},
                                       {"tags", std::vector<std::string>{"new"}}});
  CHECK((*record)[0]->payload == "kept");
  CHECK(*docs.count({"section is null", {}}) == 1);
  CHECK(*docs.count({"'new' in tags", {}}) == 1);

  REQUIRE(docs.update(Batch().numbered(7, 1).vectors("embedding", rows.row(7))));
  const auto hits = docs.search(near_to(rows.row(7), 1));
  CHECK(hits->hits[0].record.key == "k7");
  CHECK(hits->hits[0].record.fields.size() == 3);
}

TEST_CASE("An update of a record that does not exist names it and changes nothing") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 6);
  Collection docs = fill(store, rows, schema_of_docs());
  const auto outcome = docs.update(
      Batch().keys({"k1", "absent"}).field("size", {std::int64_t{-1}, std::int64_t{-1}}));
  expect_refused(outcome, ErrorCode::kNotFound, Subcode::kNone, 1);
  CHECK(*docs.count({"size = -1", {}}) == 0);
}

TEST_CASE("Deleted records are gone from every answer") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 7);
  Collection docs = fill(store, rows, schema_of_docs());
  if (GENERATE(false, true)) REQUIRE(docs.flush());
  const std::vector<std::string_view> keys = {"k0", "k1", "absent", "k1"};
  CHECK(*docs.delete_keys(keys) == 2);
  CHECK(*docs.delete_matching({"section = $s", {{"s", std::string("c")}}}) == 200);
  CHECK(*docs.count({}) == 398);
  CHECK(*docs.count({"section = 'c'", {}}) == 0);
  for (const std::size_t i : {0, 1, 2}) {
    const auto hits = docs.search(near_to(rows.row(i), 398));
    CHECK(hits->hits.size() == 398);
    for (const std::string& key : test::keys_of(*hits)) CHECK(key != "k" + std::to_string(i));
  }
  CHECK_FALSE(docs.get(keys, {})->front());
  CHECK_FALSE(docs.delete_matching({}));
}

TEST_CASE("More like a record leaves the record itself out") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 8);
  Collection docs = fill(store, rows, schema_of_docs());
  Query query;
  query.legs.push_back({.vector = "embedding", .query = {}, .key = "k50"});
  const auto hits = docs.search(query);
  REQUIRE(hits);
  CHECK(hits->hits.size() == 10);
  for (const std::string& key : test::keys_of(*hits)) CHECK(key != "k50");
  query.legs[0].key = "absent";
  CHECK(docs.search(query).error().code == ErrorCode::kNotFound);
}

TEST_CASE("A scan visits every matching record once, in order of key") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 9);
  Collection docs = fill(store, rows, schema_of_docs());
  std::vector<std::string> seen;
  Scan scan{.filter = {"section = 'a'", {}}, .after = {}, .limit = 33, .parts = {}};
  for (;;) {
    const auto page = docs.scan(scan);
    REQUIRE(page);
    for (const Record& record : *page) seen.push_back(record.key);
    if (page->size() < scan.limit) break;
    scan.after = page->back().key;
  }
  CHECK(seen.size() == 200);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
}

TEST_CASE("A batch of searches answers as single ones do") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 10);
  const auto queries = clustered_rows({30, kDimension}, 11);
  Collection docs = fill(store, rows, schema_of_docs());
  Query query = near_to({}, 4, "size >= 100");
  const auto batch = docs.search_batch(queries.view(), query, 2);
  REQUIRE(batch);
  for (std::size_t q = 0; q < queries.count(); ++q) {
    const auto hits = docs.search(near_to(queries.row(q), 4, "size >= 100"));
    CHECK(batch->found[q] == 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK(batch->keys[q * 4 + i] == hits->hits[i].record.key);
  }
}

TEST_CASE("A bad query is called one, and in a batch by its row") {
  Store store = memory_store();
  Collection docs = fill(store, clustered_rows({20, kDimension}, 10), schema_of_docs());
  const std::vector<float> zero(kDimension, 0.0F);
  const auto alone = docs.search(near_to(std::span<const float>(zero), 4));
  expect_refused(alone, ErrorCode::kInvalidArgument, Subcode::kZeroVector, -1);
  CHECK(alone.error().message.find("query vector is zero") == 0);

  std::vector<float> values(3 * kDimension, 1.0F);
  values[2 * kDimension + 1] = std::numeric_limits<float>::infinity();
  const MatrixView queries(values.data(), {3, kDimension}, ScalarKind::kF32);
  const auto batch = docs.search_batch(queries, near_to({}, 4), 1);
  expect_refused(batch, ErrorCode::kInvalidArgument, Subcode::kNotFinite, 2);
  CHECK(batch.error().message ==
        "row 2: query vector holds a number that is not finite at dimension 1");
}

TEST_CASE("An expected sequence refuses a batch that another write overtook") {
  Store store = memory_store();
  const auto rows = clustered_rows({2, kDimension}, 12);
  auto docs = store.create_collection("docs", schema_of_docs());
  Batch first;
  first.numbered(0, 1).vectors("embedding", rows.row(0));
  const std::vector<Sequence> fresh = {0};
  first.batch.expected = fresh;
  const auto written = docs->upsert(first);
  REQUIRE(written);
  expect_refused(docs->upsert(first), ErrorCode::kConflict, Subcode::kNone, 0);
  Batch second;
  second.numbered(0, 1).vectors("embedding", rows.row(1));
  const std::vector<Sequence> seen = {*written};
  second.batch.expected = seen;
  CHECK(docs->upsert(second));
}

TEST_CASE("Under cosine what f16 rounds to a zero vector is refused, and no more than that") {
  const IndexOptions index = GENERATE(as<IndexOptions>{}, FlatOptions{}, HnswOptions{});
  CollectionSchema schema = schema_of_docs(index);
  schema.vectors[0].kind = ScalarKind::kF16;
  Store store = memory_store();
  auto docs = store.create_collection("docs", schema);
  REQUIRE(docs);
  auto rows = clustered_rows({3, kDimension}, 13);
  // Each number is half of f16's least; their norm is above what is taken for zero.
  std::fill_n(rows.values.begin() + kDimension, kDimension, 2.9e-8F);
  Batch batch;
  batch.numbered(0, 3).vectors("embedding", rows);
  expect_refused(docs->upsert(batch), ErrorCode::kInvalidArgument, Subcode::kZeroVector, 1);
  std::fill_n(rows.values.begin() + kDimension, kDimension, 3.1e-8F);
  REQUIRE(docs->upsert(batch));
  REQUIRE(docs->flush());
  CHECK(store.verify());
  CHECK(docs->search(near_to(rows.row(1), 3))->hits.size() == 3);
}

TEST_CASE("A batch with one bad record changes nothing and says which") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 13);
  Collection docs = fill(store, rows, schema_of_docs());
  auto bad = clustered_rows({3, kDimension}, 14);
  const auto wide = clustered_rows({3, kDimension + 1}, 15);
  Batch batch;
  Subcode subcode = Subcode::kNone;
  std::int64_t record = 1;
  SECTION("not a number") {
    bad.values[kDimension + 3] = std::numeric_limits<float>::quiet_NaN();
    batch.numbered(1'000, 3).vectors("embedding", bad);
    subcode = Subcode::kNotFinite;
  }
  SECTION("infinite") {
    bad.values[2 * kDimension] = std::numeric_limits<float>::infinity();
    batch.numbered(1'000, 3).vectors("embedding", bad);
    subcode = Subcode::kNotFinite;
    record = 2;
  }
  SECTION("zero under cosine") {
    std::fill_n(bad.values.begin() + kDimension, kDimension, 0.0F);
    batch.numbered(1'000, 3).vectors("embedding", bad);
    subcode = Subcode::kZeroVector;
  }
  SECTION("another dimension") {
    batch.numbered(1'000, 3).vectors("embedding", wide.view());
    subcode = Subcode::kDimensionMismatch;
    record = 0;
  }
  SECTION("a key that is too long") {
    batch.keys({"x", std::string(1'025, 'k'), "y"}).vectors("embedding", bad);
    subcode = Subcode::kKeyInvalid;
  }
  SECTION("an empty key") {
    batch.keys({"x", "", "y"}).vectors("embedding", bad);
    subcode = Subcode::kKeyInvalid;
  }
  SECTION("a key that is not UTF-8") {
    batch.keys({"x", "\xff", "y"}).vectors("embedding", bad);
    subcode = Subcode::kKeyInvalid;
  }
  SECTION("a key twice") {
    batch.keys({"x", "x", "y"}).vectors("embedding", bad);
    subcode = Subcode::kDuplicateKey;
  }
  SECTION("an unknown field") {
    batch.numbered(1'000, 3).field("colour", {Value{}, Value{}, Value{}});
    subcode = Subcode::kUnknownField;
    record = -1;
  }
  SECTION("a value of the wrong type") {
    batch.numbered(1'000, 3).field("size", {std::int64_t{1}, std::string("big"), Value{}});
    subcode = Subcode::kWrongType;
  }
  SECTION("an unknown vector") {
    batch.numbered(1'000, 3).vectors("image", bad);
    subcode = Subcode::kUnknownVector;
    record = -1;
  }
  SECTION("too few values") {
    batch.numbered(1'000, 3).field("size", {std::int64_t{1}});
    subcode = Subcode::kCountMismatch;
    record = -1;
  }
  const Sequence before = docs.stats()->last_sequence;
  expect_refused(docs.upsert(batch), ErrorCode::kInvalidArgument, subcode, record);
  CHECK(*docs.count({}) == 600);
  CHECK(docs.stats()->last_sequence == before);
}

TEST_CASE("Questions that make no sense are refused with a reason") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 16);
  Collection docs = fill(store, rows, schema_of_docs());
  const auto code = [&](const Query& query) {
    const auto hits = docs.search(query);
    REQUIRE_FALSE(hits);
    return hits.error().code;
  };
  CHECK(code(near_to(rows.row(0), 0)) == ErrorCode::kInvalidArgument);
  CHECK(code(near_to(rows.row(0), 10'001)) == ErrorCode::kInvalidArgument);
  CHECK(code(near_to({}, 1)) == ErrorCode::kInvalidArgument);
  CHECK(code(near_to(rows.row(0), 1, "size <")) == ErrorCode::kFilterInvalid);
  CHECK(docs.search(near_to(rows.row(0), 1, "size < 3 and colour = 2")).error().position == 13);
  CHECK(code(near_to(rows.row(0), 1, "size = 'x'")) == ErrorCode::kFilterInvalid);
  Query query = near_to(rows.row(0), 1);
  query.recall = 0;
  CHECK(code(query) == ErrorCode::kInvalidArgument);
  query.legs.clear();
  CHECK(code(query) == ErrorCode::kInvalidArgument);
}

TEST_CASE("A field that the collection cannot have is refused wherever it is asked for") {
  Store store = memory_store();
  const auto rows = clustered_rows({600, kDimension}, 17);
  CollectionSchema schema = schema_of_docs();
  schema.dynamic = GENERATE(false, true);
  Collection docs = fill(store, rows, schema);
  const auto answers = [&](const Parts& parts) {
    Query query = near_to(rows.row(0), 1);
    query.parts = parts;
    const std::vector<std::string_view> keys = {"nobody"};
    return std::array{docs.search(query).has_value(), docs.get(keys, parts).has_value(),
                      docs.scan({.parts = parts}).has_value()};
  };
  const std::array all{true, true, true};
  CHECK(answers({.field_names = {"size", "tags"}}) == all);
  CHECK((answers({.field_names = {"size", "colour"}}) == all) == schema.dynamic);
  CHECK(answers({.fields = false, .field_names = {"colour"}}) == all);
  if (schema.dynamic) return;
  const auto scan = docs.scan({.parts = {.field_names = {"size", "colour"}}});
  REQUIRE_FALSE(scan);
  CHECK(scan.error().code == ErrorCode::kInvalidArgument);
  CHECK(scan.error().subcode == Subcode::kUnknownField);
  CHECK(scan.error().message.find("'colour'") != std::string::npos);
  CHECK(answers({.field_names = {"colour"}}) == std::array{false, false, false});
}

TEST_CASE("An integer is stored as a float64 exactly or not at all") {
  Store store = memory_store();
  CollectionSchema schema = schema_of_docs();
  schema.fields = {{"ratio", FieldType::kFloat64}, {"ratios", FieldType::kFloat64List}};
  auto docs = store.create_collection("docs", schema);
  REQUIRE(docs);
  constexpr std::int64_t kOdd = (std::int64_t{1} << 53) + 1;
  const std::vector<std::int64_t> exact = {-kOdd + 1, std::int64_t{1} << 62};
  Batch good;
  REQUIRE(docs->upsert(good.numbered(0, 1).field("ratio", {exact[1]}).field("ratios", {exact})));
  const auto record = docs->get(std::vector<std::string_view>{"k0"}, {});
  REQUIRE(record);
  CHECK(record->front()->fields[0].second == Value(std::ldexp(1.0, 62)));
  CHECK(record->front()->fields[1].second ==
        Value(std::vector<double>{-std::ldexp(1.0, 53), std::ldexp(1.0, 62)}));
  for (const char* field : {"ratio", "ratios"}) {
    const bool is_list = field == std::string_view("ratios");
    Batch bad;
    bad.numbered(1, 1).field(field,
                             {is_list ? Value(std::vector<std::int64_t>{1, kOdd}) : Value(kOdd)});
    const auto refused = docs->upsert(bad);
    expect_refused(refused, ErrorCode::kInvalidArgument, Subcode::kWrongType, 0);
    CHECK(refused.error().message.find("9007199254740993") != std::string::npos);
  }
}

TEST_CASE("Several named vectors are searched apart, and records may lack one") {
  Store store = memory_store();
  const auto texts = clustered_rows({50, 8}, 17);
  const auto images = clustered_rows({50, 12}, 18);
  auto docs = store.create_collection(
      "docs", {.vectors = {{.name = "text", .dimension = 8, .metric = Metric::kL2},
                           {.name = "image",
                            .dimension = 12,
                            .metric = Metric::kInnerProduct,
                            .kind = ScalarKind::kF16,
                            .index = FlatOptions{}}},
               .fields = {},
               .dynamic = true});
  REQUIRE(docs);
  std::vector<std::uint8_t> present(50);
  for (std::size_t i = 0; i < 50; ++i) present[i] = i % 2;
  Batch batch;
  batch.numbered(0, 50).vectors("text", texts).vectors("image", images);
  batch.batch.vectors[1].present = present;
  REQUIRE(docs->upsert(batch));
  Query query = near_to(texts.row(4), 1);
  CHECK_FALSE(docs->search(query));
  query.legs[0].vector = "text";
  CHECK(docs->search(query)->hits[0].record.key == "k4");
  query = near_to(images.row(5), 50);
  query.legs[0].vector = "image";
  const auto hits = docs->search(query);
  CHECK(hits->hits.size() == 25);
  REQUIRE(docs->update(Batch().numbered(5, 1).vectors("text", texts.row(6))));
  CHECK(docs->search(query)->hits.size() == 25);
  REQUIRE(docs->flush());
  CHECK(docs->search(query)->hits.size() == 25);
  CHECK(store.verify());
}

TEST_CASE("A dropped collection refuses calls and its name is free") {
  Store store = memory_store();
  const auto rows = clustered_rows({10, kDimension}, 19);
  auto docs = store.create_collection("docs", schema_of_docs());
  REQUIRE(docs->upsert(Batch().numbered(0, 10).vectors("embedding", rows)));
  CHECK(store.create_collection("docs", schema_of_docs()).error().code ==
        ErrorCode::kAlreadyExists);
  REQUIRE(store.drop_collection("docs"));
  CHECK(docs->count({}).error().code == ErrorCode::kNotFound);
  CHECK(store.drop_collection("docs").error().code == ErrorCode::kNotFound);
  auto again = store.create_collection("docs", schema_of_docs());
  REQUIRE(again);
  CHECK(*again->count({}) == 0);
}

TEST_CASE("Of two drops at once one finds the collection gone") {
  Store store = memory_store();
  for (int round = 0; round < 300; ++round) {
    REQUIRE(store.create_collection("docs", schema_of_docs()));
    std::array<ErrorCode, 2> codes{};
    std::atomic<int> ready{0};
    const auto drop = [&](std::size_t which) {
      for (++ready; ready < 2;) std::this_thread::yield();
      const Status dropped = store.drop_collection("docs");
      codes[which] = dropped ? ErrorCode::kOk : dropped.error().code;
    };
    std::thread other([&] { drop(1); });
    drop(0);
    other.join();
    std::sort(codes.begin(), codes.end());
    REQUIRE(codes == std::array{ErrorCode::kOk, ErrorCode::kNotFound});
    REQUIRE(store.collections()->empty());
  }
}

TEST_CASE("Names and schemas that cannot be kept are refused") {
  Store store = memory_store();
  const auto code = [&](const std::string& name, const CollectionSchema& schema) {
    const auto made = store.create_collection(name, schema);
    REQUIRE_FALSE(made);
    CHECK(store.collections()->empty());
    return made.error().code;
  };
  for (const char* name : {"", "../x", "a/b", "1a", "with space", "\xff"})
    CHECK(code(name, schema_of_docs()) == ErrorCode::kInvalidArgument);
  CHECK(code(std::string(129, 'a'), schema_of_docs()) == ErrorCode::kInvalidArgument);
  CollectionSchema schema = schema_of_docs();
  schema.vectors[0].dimension = 0;
  CHECK(code("docs", schema) == ErrorCode::kInvalidArgument);
  schema.vectors[0].dimension = 65'536;
  CHECK(code("docs", schema) == ErrorCode::kInvalidArgument);
  schema = schema_of_docs();
  schema.fields.push_back(schema.fields[0]);
  CHECK(code("docs", schema) == ErrorCode::kInvalidArgument);
  schema = schema_of_docs(HnswOptions{.links_max = 1});
  CHECK(code("docs", schema) == ErrorCode::kInvalidArgument);
}

TEST_CASE("Explain tells how an answer was made") {
  Store store = memory_store();
  const auto rows = clustered_rows({3'000, kDimension}, 20);
  Collection docs = fill(store, rows, schema_of_docs());
  REQUIRE(docs.flush());
  Query query = near_to(rows.row(0), 5);
  query.explain = true;
  auto hits = docs.search(query);
  REQUIRE(hits->explain);
  CHECK(hits->explain->plan == "graph walk");
  CHECK(hits->explain->live == 3'000);
  CHECK(hits->explain->distances < 3'000);
  CHECK(hits->explain->tail == 0);
  query.filter.text = "size < 100";
  hits = docs.search(query);
  CHECK(hits->explain->plan == "exact scan of the matches");
  CHECK(hits->explain->matches == 100);
  CHECK(hits->explain->distances == 100);
}

}  // namespace collection_test
