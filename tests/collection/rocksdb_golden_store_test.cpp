// Stores that an earlier anear wrote (tests/data): read, searched, verified, written and read
// again.
//
// The last test writes what the golden stores hold by the code at hand, checks it in the same way,
// and with ANEAR_GOLDEN_DIRECTORY=<directory> leaves new golden stores there.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>

#include "anear/collection/store.hpp"
#include "anear/filter/parser.hpp"
#include "support/collection/golden_v1.hpp"
#include "support/collection/stores.hpp"
#include "support/directory_state.hpp"
#include "support/tar.hpp"

namespace rocksdb_golden_store_test {

using namespace anear;
using anear::test::must_open;
using anear::testing::bytes_of_file;
using anear::testing::overwrite_file;
using anear::testing::state_of;
using anear::testing::TempDirectory;

namespace {

namespace golden = anear::test::golden_v1;
using Records = std::map<std::string, golden::Item>;

// --- Writing

/// A batch of `items`, which it borrows.
struct Columns {
  std::vector<std::string_view> keys;
  std::vector<std::string_view> payloads;
  std::map<std::string, std::vector<float>> rows;
  std::map<std::string, std::vector<std::uint8_t>> present;
  std::map<std::string, std::vector<Value>> values;
  RecordBatch batch;

  Columns(const std::vector<golden::Item>& items, bool whole) {
    for (const golden::Item& item : items) {
      keys.emplace_back(item.key);
      payloads.emplace_back(item.payload);
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      for (const auto& [name, row] : items[i].vectors) {
        rows[name].resize(items.size() * row.size());
        present[name].resize(items.size());
        std::copy(row.begin(), row.end(),
                  rows[name].begin() + static_cast<std::ptrdiff_t>(i * row.size()));
        present[name][i] = 1;
      }
      for (const auto& [name, value] : items[i].fields) {
        values[name].resize(items.size());
        values[name][i] = value;
      }
    }
    batch.keys = keys;
    if (whole) batch.payloads = payloads;
    for (const auto& [name, numbers] : rows) {
      const MatrixShape shape{items.size(), numbers.size() / items.size()};
      batch.vectors.push_back({name, {numbers.data(), shape, ScalarKind::kF32}, present[name]});
    }
    for (const auto& [name, column] : values) batch.fields.push_back({name, column});
  }
};

void must(const Status& status) {
  INFO((status ? "" : status.error().message));
  REQUIRE(status);
}

template <typename T>
T must(Result<T> result) {
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return std::move(*result);
}

void perform(const golden::Step& step, Store& store) {
  Collection collection = must(store.collection(step.collection));
  const Columns columns(step.items, step.act == golden::Act::kUpsert);
  switch (step.act) {
    case golden::Act::kUpsert:
      must(collection.upsert(columns.batch));
      break;
    case golden::Act::kUpdate:
      must(collection.update(columns.batch));
      break;
    case golden::Act::kDelete:
      CHECK(must(collection.delete_keys(columns.keys)) == step.items.size());
      break;
    case golden::Act::kFlush:
      must(collection.flush());
      break;
  }
}

golden::Model model_of(const std::vector<golden::Step>& steps) {
  golden::Model model;
  for (const golden::Step& step : steps) golden::apply(step, model);
  return model;
}

// --- Checking

std::vector<float> floats_of(const StoredVector& vector) {
  std::vector<float> values;
  const VectorView view = vector.view();
  for (std::size_t d = 0; d < view.dimension(); ++d) {
    float value = 0;
    if (vector.kind == ScalarKind::kF32) {
      std::memcpy(&value, vector.bytes.data() + 4 * d, 4);
    } else {
      std::uint16_t bits = 0;
      std::memcpy(&bits, vector.bytes.data() + 2 * d, 2);
      const int exponent = (bits >> 10 & 31) - 15;
      const float fraction = static_cast<float>(bits & 1'023) / 1'024.0F;
      value = (bits >> 10 & 31) == 0 ? std::ldexp(fraction, -14)
                                     : std::ldexp(1.0F + fraction, exponent);
      if ((bits & 0x8000) != 0) value = -value;
    }
    values.push_back(value);
  }
  return values;
}

Fields sorted(Fields fields) {
  std::sort(fields.begin(), fields.end(),
            [](const Field& a, const Field& b) { return a.first < b.first; });
  return fields;
}

void expect_record(const Record& found, const golden::Item& expected) {
  INFO(expected.key);
  CHECK(found.key == expected.key);
  CHECK((found.fields == sorted(expected.fields)));
  CHECK(found.payload == expected.payload);
  CHECK(found.sequence > 0);
  CHECK(found.updated >= found.created);
  REQUIRE(found.vectors.size() == expected.vectors.size());
  for (const StoredVector& vector : found.vectors)
    CHECK(floats_of(vector) == expected.vectors.at(vector.name));
}

void expect_every_record(const Collection& collection, const Records& expected) {
  CHECK(must(collection.count({})) == expected.size());
  Scan scan{.limit = 64, .parts = {.fields = true, .payload = true, .vectors = true}};
  auto next = expected.begin();
  for (;;) {
    const std::vector<Record> page = must(collection.scan(scan));
    for (const Record& record : page) {
      REQUIRE(next != expected.end());
      expect_record(record, (next++)->second);
    }
    if (page.size() < scan.limit) break;
    scan.after = page.back().key;
  }
  CHECK(next == expected.end());
}

double distance(const std::vector<float>& a, const std::vector<float>& b, Metric metric) {
  double dot = 0, aa = 0, bb = 0, apart = 0;
  for (std::size_t d = 0; d < a.size(); ++d) {
    const double x = a[d], y = b[d];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    apart += (x - y) * (x - y);
  }
  if (metric == Metric::kL2) return apart;
  return metric == Metric::kInnerProduct ? -dot : 1 - dot / std::sqrt(aa * bb);
}

/// The distances to `query` of all records that pass, ascending.
std::vector<double> exact_distances(const Records& records, const VectorSchema& vector,
                                    const std::vector<float>& query, const BoundFilter& filter) {
  std::vector<double> distances;
  for (const auto& [key, item] : records) {
    const auto row = item.vectors.find(vector.name);
    if (row == item.vectors.end() || !matches(filter, item.fields)) continue;
    distances.push_back(distance(query, row->second, vector.metric));
  }
  std::sort(distances.begin(), distances.end());
  return distances;
}

/// Ten nearest of some queries: exactly those with recall 1, most of them otherwise.
void expect_searches(const Collection& collection, const Records& records,
                     const VectorSchema& vector, const std::string& text) {
  FieldTypes types{.declared = {}, .dynamic = collection.schema().dynamic};
  for (const FieldSchema& field : collection.schema().fields)
    types.declared.emplace_back(field.name, field.type);
  const BoundFilter filter = must(bind(must(parse_filter(text)), types));
  std::size_t right = 0, all = 0;
  for (std::uint64_t q = 0; q < 12; ++q) {
    const std::vector<float> values = golden::row(vector.dimension, 500'000 + q);
    Query query{.legs = {{.vector = vector.name, .query = std::span<const float>(values)}},
                .filter = {text, {}}};
    const auto truth = exact_distances(records, vector, values, filter);
    for (const float recall : {1.0F, 0.95F}) {
      query.recall = recall;
      const Hits hits = must(collection.search(query));
      REQUIRE(hits.hits.size() == std::min<std::size_t>(query.k, truth.size()));
      std::set<std::string> seen;
      for (std::size_t i = 0; i < hits.hits.size(); ++i) {
        const golden::Item& item = records.at(hits.hits[i].record.key);
        CHECK(seen.insert(item.key).second);
        CHECK(matches(filter, item.fields));
        const double apart = distance(values, item.vectors.at(vector.name), vector.metric);
        CHECK(hits.hits[i].distance == Approx(apart).margin(1e-5));
        if (recall == 1.0F) CHECK(apart == Approx(truth[i]).margin(1e-5));
        if (recall != 1.0F && apart <= truth[hits.hits.size() - 1] + 1e-5) ++right;
      }
      if (recall != 1.0F) all += hits.hits.size();
    }
  }
  CHECK(static_cast<double>(right) >= 0.9 * static_cast<double>(all));
}

/// Of every type of field; each is counted and searched with.
std::vector<std::string> filters_of(const Collection& collection) {
  if (collection.name() == "plain") return {""};
  if (collection.name() != "notes") return {"", "number < 40", "number = 17"};
  return {"",
          "flag = true",
          "number is null",
          "number = -5 or number = 7",
          "number > 1000003000 and not flag = false",
          "ratio between -1.5 and 3",
          "title is missing",
          "title >= 'ttt1'",
          "title is null",
          "moment < timestamp '2023-11-15T00:00:00Z'",
          "'group3' in tags",
          "3 in numbers and 'cli' in tags",
          "0.5 in ratios and 2.0 in ratios",
          "json exists",
          "undeclared = 'text9'",
          "undeclared > 40"};
}

void expect_state(const Store& store, const golden::Model& model) {
  const std::map<std::string, CollectionSchema> schemas = golden::schemas();
  const std::vector<std::string> names = must(store.collections());
  REQUIRE(names.size() == schemas.size());
  std::size_t records_in_all = 0, rows_in_all = 0;
  for (const auto& [name, schema] : schemas) {
    INFO(name);
    const Collection collection = must(store.collection(name));
    const Records& records = model.at(name);
    REQUIRE(collection.schema().vectors.size() == schema.vectors.size());
    REQUIRE(collection.schema().fields.size() == schema.fields.size());
    CHECK(collection.schema().dynamic == schema.dynamic);
    expect_every_record(collection, records);
    for (std::size_t v = 0; v < schema.vectors.size(); ++v) {
      const VectorSchema& vector = collection.schema().vectors[v];
      CHECK(vector.name == schema.vectors[v].name);
      CHECK(vector.dimension == schema.vectors[v].dimension);
      CHECK(vector.metric == schema.vectors[v].metric);
      CHECK(vector.kind == schema.vectors[v].kind);
      CHECK(vector.index.index() == schema.vectors[v].index.index());
      for (const std::string& filter : filters_of(collection)) {
        INFO(filter);
        expect_searches(collection, records, vector, filter);
      }
      for (const auto& [key, item] : records) rows_in_all += item.vectors.count(vector.name);
    }
    records_in_all += records.size();
    CHECK_FALSE(must(collection.stats()).degraded);
  }
  const VerifyReport report = must(store.verify());
  CHECK(report.collections == schemas.size());
  CHECK(report.records == records_in_all);
  CHECK(report.rows == rows_in_all);
  CHECK(report.images >= 5);
}

/// An unpacked store is read without a change, then written and read again.
void expect_readable_and_writable(const std::string& path) {
  golden::Model model = model_of(golden::steps());
  {
    const auto before = state_of(path);
    const Store reader = must_open(path, {.read_only = true});
    expect_state(reader, model);
    CHECK((state_of(path) == before));
  }
  {
    Store store = must_open(path, {.create_if_missing = false});
    expect_state(store, model);
    for (const golden::Step& step : golden::later_steps()) {
      perform(step, store);
      golden::apply(step, model);
    }
    expect_state(store, model);
    must(store.close());
  }
  const Store again = must_open(path, {.create_if_missing = false});
  CHECK(again.recovery().clean);
  expect_state(again, model);
}

const std::string kGolden = std::string(ANEAR_SOURCE_DIR) + "/tests/data/format_v1/stores.tar";

/// Locks say who held them, and the database's own report and options, which no open needs, where
/// the store stood.
bool is_left_out(std::string_view name) {
  return name == "LOCK" || name.starts_with("LOG") || name.starts_with("OPTIONS-");
}

}  // namespace

TEST_CASE("A store of format 1, closed or killed, is read, written and read again") {
  const std::string name = GENERATE(as<std::string>(), "closed", "killed");
  CAPTURE(name);
  const TempDirectory directory;
  anear::testing::unpack_tar(bytes_of_file(kGolden), directory / "stores");
  const std::string path = directory / ("stores/" + name);
  CHECK(must_open(path, {.read_only = true}).recovery().clean == (name == "closed"));
  expect_readable_and_writable(path);
}

TEST_CASE("A store of a newer format is refused with every byte and time as it was") {
  const TempDirectory directory;
  anear::testing::unpack_tar(bytes_of_file(kGolden), directory / "stores");
  const std::string path =
      directory / GENERATE(as<std::string>(), "stores/closed", "stores/killed");
  std::string identity = bytes_of_file(path + "/ANEAR");
  identity.replace(identity.find("format 1"), 8, "format 2");
  overwrite_file(path + "/ANEAR", identity);
  const auto before = state_of(path);
  for (const bool read_only : {false, true}) {
    const auto store = Store::open(path, {.read_only = read_only});
    REQUIRE_FALSE(store);
    CHECK(store.error().code == ErrorCode::kUnsupportedFormat);
    CHECK(store.error().subcode == Subcode::kNewerFormat);
    CHECK((state_of(path) == before));
  }
}

TEST_CASE("What the code at hand writes is what the golden stores hold") {
  const TempDirectory directory;
  std::filesystem::create_directory(directory / "stores");
  const std::string path = directory / "stores/closed";
  {
    Store store = must_open(path, {.index_inline = true});
    for (const auto& [name, schema] : golden::schemas()) {
      // A number that is not used any more: collections are dropped too.
      must(store.create_collection("dropped", schema));
      must(store.drop_collection("dropped"));
      must(store.create_collection(name, schema));
    }
    for (const golden::Step& step : golden::steps()) perform(step, store);
    anear::testing::copy_as_after_a_kill(path, directory / "stores/killed");
    must(store.close());
  }
  const std::string packed = anear::testing::pack_tar(directory / "stores", is_left_out);
  // An index by inverted lists is among what was written.
  CHECK(packed.find("list_blocks") != std::string::npos);
  anear::testing::unpack_tar(packed, directory / "unpacked");
  for (const char* name : {"closed", "killed"}) {
    CAPTURE(name);
    expect_readable_and_writable(directory / (std::string("unpacked/") + name));
  }
  if (const char* kept = std::getenv("ANEAR_GOLDEN_DIRECTORY")) {
    const std::string file = std::string(kept) + "/stores.tar";
    REQUIRE_FALSE(std::filesystem::exists(file));  // A golden store is never written again.
    overwrite_file(file, packed);
  }
}

}  // namespace rocksdb_golden_store_test
