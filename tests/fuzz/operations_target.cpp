// A program that uses the C library, read from bytes: a store, and calls on it with good and bad
// arguments one after another. What must hold of every answer is compared with a map.
//
//   | where u8 | operation u8, arguments | operation u8, arguments | …
//
// `where` 0xD1: on disk, where an operation also closes and opens the store; otherwise in memory.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "anear.h"
#include "anear/core/random.hpp"
#include "support/temp_directory.hpp"
#include "target.hpp"

namespace anear::fuzz {
namespace operations_target {
namespace {

constexpr std::size_t kDimension = 3;
constexpr std::uint8_t kOnDisk = 0xD1;
constexpr std::size_t kOperationsMax = 64;

/// What the store must hold: by key, whether it has a row.
using Model = std::map<std::string, bool>;

std::vector<anear_text> texts_of(const std::vector<std::string>& strings) {
  std::vector<anear_text> texts;
  for (const std::string& string : strings) texts.push_back({string.data(), string.size()});
  return texts;
}

std::string text_of(anear_text text) { return {text.data == nullptr ? "" : text.data, text.size}; }

/// One field or parameter of any type, good or not, with the bytes it borrows.
struct AnyValue {
  std::string text;
  std::vector<std::int64_t> numbers;
  std::vector<double> reals;
  std::vector<anear_text> texts;
  anear_value value{};

  explicit AnyValue(Input& input) {
    const auto type = static_cast<std::int32_t>(input.take<std::uint8_t>() % 16) - 2;
    text = std::string(input.take_bytes(input.take<std::uint8_t>() % 8));
    value.type = type;
    if (type == ANEAR_TYPE_BOOL) value.as.boolean = static_cast<std::int32_t>(text.size() % 2);
    if (type == ANEAR_TYPE_INT64 || type == ANEAR_TYPE_TIMESTAMP)
      value.as.int64 = input.take<std::int8_t>();
    if (type == ANEAR_TYPE_FLOAT64) value.as.float64 = input.take<std::int8_t>() / 4.0;
    if (type == ANEAR_TYPE_STRING || type == ANEAR_TYPE_JSON)
      value.as.text = {text.data(), text.size()};
    const std::size_t count = text.size() % 3;
    for (std::size_t i = 0; i < count; ++i) {
      numbers.push_back(input.take<std::int8_t>());
      reals.push_back(static_cast<double>(numbers.back()) / 2);
      texts.push_back({text.data(), i});
    }
    if (type >= ANEAR_TYPE_BOOL_LIST && type <= ANEAR_TYPE_TIMESTAMP_LIST)
      value.as.list = {list_of(type), count};
  }
  AnyValue(const AnyValue&) = delete;
  AnyValue& operator=(const AnyValue&) = delete;
  ~AnyValue() = default;

 private:
  const void* list_of(std::int32_t type) const {
    if (type == ANEAR_TYPE_BOOL_LIST) return text.data();
    if (type == ANEAR_TYPE_FLOAT64_LIST) return reals.data();
    if (type == ANEAR_TYPE_STRING_LIST) return texts.data();
    return numbers.data();
  }
};

/// A filter: one of some that are good, or any text.
struct AnyFilter {
  std::string text;
  anear_parameter parameter{};
  std::optional<AnyValue> value;
  anear_filter filter{};

  explicit AnyFilter(Input& input) {
    static const char* const kGood[] = {"",
                                        "size < 3",
                                        "size is null or size is missing",
                                        "not (tag = 'a' or tag >= 'b')",
                                        "'a' in tags and flag = true",
                                        "tag = $p",
                                        "size in $p",
                                        "free exists",
                                        "size between -2 and 5 and not tag in ('a', '')"};
    const std::size_t which = input.take<std::uint8_t>() % (std::size(kGood) + 2);
    if (which < std::size(kGood)) {
      text = kGood[which];
    } else {
      text = std::string(input.take_bytes(input.take<std::uint8_t>() % 48));
      text = text.substr(0, text.find('\0'));
    }
    filter.text = text.c_str();
    if (text.find('$') == std::string::npos) return;
    value.emplace(input);
    parameter = {"p", value->value};
    filter.parameters = &parameter;
    filter.parameter_count = 1;
  }
};

class Program {
 public:
  Program(Input input, bool on_disk) : input_(input), on_disk_(on_disk) {
    if (on_disk_) directory_.emplace();
    open();
    create();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    anear_collection_free(collection_);
    anear_store_free(store_);
  }

  void run() {
    for (std::size_t i = 0; i < kOperationsMax && !input_.empty(); ++i) {
      operate(input_.take<std::uint8_t>() % 14);
      check_count();
    }
    check_all();
  }

 private:
  void operate(std::size_t operation) {
    switch (operation) {
      case 0:
      case 1:
        return write(/*whole=*/true);
      case 2:
        return write(/*whole=*/false);
      case 3:
        return delete_keys();
      case 4:
        return delete_matching();
      case 5:
        return get();
      case 6:
        return scan();
      case 7:
        return count();
      case 8:
        return search();
      case 9:
        return search_into();
      case 10:
        return other_collection();
      case 11:
        return refused();
      case 12:
        return erase();
      default:
        return reopen();
    }
  }

  /// Whether the call did what it was asked for; any failure must say what it is.
  bool done(std::int32_t code) {
    require(code == error_.code, "the code is that of the error");
    if (code == ANEAR_OK) return true;
    require(code > 0 && code <= ANEAR_OUT_OF_MEMORY, "a failure has a code, and is no defect");
    require(std::memchr(error_.message, 0, sizeof error_.message) != nullptr, "a message ends");
    require(error_.message[0] != '\0', "a failure says what it is");
    return false;
  }
  void must(std::int32_t code) { require(done(code), error_.message); }

  void open() {
    anear_store_options options = ANEAR_STORE_OPTIONS_INIT;
    options.flags = ANEAR_STORE_INDEX_INLINE | ANEAR_STORE_BUFFERED;
    if (!on_disk_) options.flags |= ANEAR_STORE_IN_MEMORY;
    options.tail_records_max = 4;
    const std::string path = on_disk_ ? *directory_ / "store" : "memory";
    must(anear_store_open(path.c_str(), &options, &store_, &error_));
  }
  void create() {
    static const anear_field_schema kFields[] = {{"size", ANEAR_TYPE_INT64, 0},
                                                 {"tag", ANEAR_TYPE_STRING, 0},
                                                 {"tags", ANEAR_TYPE_STRING_LIST, 0},
                                                 {"flag", ANEAR_TYPE_BOOL, 0}};
    anear_index_options index = ANEAR_INDEX_OPTIONS_INIT;
    index.dimension = kDimension;
    index.metric = ANEAR_METRIC_L2;
    index.links_max = 4;
    index.ef_construction = 8;
    const anear_vector_schema vector = {"v", &index};
    anear_schema schema = ANEAR_SCHEMA_INIT;
    schema.flags = ANEAR_SCHEMA_DYNAMIC;
    schema.vectors = &vector;
    schema.vector_count = 1;
    schema.fields = kFields;
    schema.field_count = std::size(kFields);
    must(anear_collection_create(store_, "c", &schema, &collection_, &error_));
  }

  std::string key() {
    const auto which = input_.take<std::uint8_t>();
    if (which < 240) return "k" + std::to_string(which % 12);
    return std::string(input_.take_bytes(which % 16));  // Empty, or no UTF-8: refused.
  }
  /// Small numbers; now and then any bits: no number, infinite, huge.
  std::vector<float> row() {
    std::vector<float> row(kDimension);
    for (float& value : row) {
      const auto byte = input_.take<std::int8_t>();
      value = byte == 127 ? input_.take<float>() : static_cast<float>(byte) / 8;
    }
    return row;
  }

  void write(bool whole) {
    const std::size_t count = input_.take<std::uint8_t>() % 4 + 1;
    std::vector<std::string> keys;
    std::vector<float> rows;
    std::vector<std::uint8_t> present;
    for (std::size_t i = 0; i < count; ++i) {
      keys.push_back(key());
      for (const float value : row()) rows.push_back(value);
      present.push_back(input_.take<std::uint8_t>() % 4 != 0 ? 1 : 0);
    }
    const std::vector<anear_text> texts = texts_of(keys);
    const std::vector<anear_text> payloads(texts.rbegin(), texts.rend());
    static const char* const kNames[] = {"size", "tag", "tags", "flag", "free", ""};
    const std::size_t field_count = input_.take<std::uint8_t>() % 3;
    std::vector<std::unique_ptr<AnyValue>> owned;
    std::vector<std::vector<anear_value>> values(field_count);
    std::vector<anear_field_column> fields;
    for (std::vector<anear_value>& column : values) {
      const char* name = kNames[input_.take<std::uint8_t>() % std::size(kNames)];
      for (std::size_t i = 0; i < count; ++i) {
        owned.push_back(std::make_unique<AnyValue>(input_));
        column.push_back(owned.back()->value);
      }
      fields.push_back({name, column.data()});
    }
    const anear_vector_column vector = {
        "v", {rows.data(), count, kDimension, 0, ANEAR_SCALAR_F32}, present.data()};
    anear_batch batch = ANEAR_BATCH_INIT;
    batch.count = count;
    batch.keys = texts.data();
    batch.vectors = &vector;
    batch.vector_count = 1;
    batch.fields = fields.data();
    batch.field_count = fields.size();
    batch.payloads = payloads.data();
    std::uint64_t sequence = 0;
    if (!done(whole ? anear_collection_upsert(collection_, &batch, &sequence, &error_)
                    : anear_collection_update(collection_, &batch, &sequence, &error_)))
      return;
    require(sequence > sequence_, "sequences ascend");
    sequence_ = sequence;
    for (std::size_t i = 0; i < count; ++i) {
      require(whole || model_.contains(keys[i]), "only what exists is updated");
      bool& has_row = model_[keys[i]];
      has_row = present[i] != 0 || (!whole && has_row);
    }
  }

  void delete_keys() {
    const std::vector<std::string> keys = {key(), key()};
    const std::vector<anear_text> texts = texts_of(keys);
    std::size_t deleted = 0;
    if (!done(anear_collection_delete_keys(collection_, texts.data(), texts.size(), &deleted,
                                           &error_)))
      return;
    require(deleted == model_.erase(keys[0]) + model_.erase(keys[1]), "what was there is deleted");
  }

  void delete_matching() {
    const AnyFilter filter(input_);
    std::uint64_t matching = 0;
    std::size_t deleted = 0;
    const bool counted =
        done(anear_collection_count(collection_, &filter.filter, &matching, &error_));
    if (!done(anear_collection_delete_matching(collection_, &filter.filter, &deleted, &error_)))
      return;
    require(counted && deleted == matching, "what matches is deleted");
    const std::set<std::string> left = scanned({});
    require(left.size() + deleted == model_.size(), "nothing else is deleted");
    std::erase_if(model_, [&](const auto& record) { return !left.contains(record.first); });
    require(model_.size() == left.size(), "nothing comes into being");
  }

  /// By keys, by a filter, or by both, which is refused; some are stopped on their way.
  void erase() {
    const std::vector<std::string> keys = {key(), key()};
    const std::vector<anear_text> texts = texts_of(keys);
    const AnyFilter filter(input_);
    const auto how = input_.take<std::uint8_t>();
    std::size_t steps = how / 8;  // 0: all.
    anear_erase asked = ANEAR_ERASE_INIT;
    const bool by_keys = how % 4 != 0;
    if (by_keys) {
      asked.keys = texts.data();
      asked.key_count = texts.size();
    }
    if (!by_keys || how % 8 == 1) asked.filter = &filter.filter;
    asked.progress = [](void* left, std::size_t, std::size_t) -> std::int32_t {
      return --*static_cast<std::size_t*>(left) == 0 ? 1 : 0;
    };
    asked.progress_context = &steps;
    std::set<std::string> erased(keys.begin(), keys.end());
    if (!by_keys) erased = scanned(filter.filter);
    std::erase_if(erased, [&](const std::string& key) { return !model_.contains(key); });
    anear_erase_receipt receipt = ANEAR_ERASE_RECEIPT_INIT;
    const std::int32_t code = anear_collection_erase(collection_, &asked, &receipt, &error_);
    if (done(code)) {
      require(receipt.records == erased.size(), "what was there is erased");
    } else {
      std::uint64_t left = 0;
      std::size_t finished = 0;
      must(anear_collection_count(collection_, nullptr, &left, &error_));
      require(code == ANEAR_CANCELLED || left == model_.size(), "what is refused erases nothing");
      must(anear_store_resume_erase(store_, nullptr, &finished, &error_));
      if (left == model_.size()) return;
      require(finished == 1, "what was stopped is finished");
    }
    for (const std::string& key : erased) model_.erase(key);
  }

  void get() {
    const std::vector<std::string> keys = {key(), key()};
    const std::vector<anear_text> texts = texts_of(keys);
    anear_get asked = ANEAR_GET_INIT;
    asked.parts = input_.take<std::uint8_t>() % 16;
    asked.keys = texts.data();
    asked.key_count = texts.size();
    anear_records* records = nullptr;
    if (done(anear_collection_get(collection_, &asked, &records, &error_))) {
      require(anear_records_size(records) == 2, "a place for each key");
      for (std::size_t i = 0; i < 2; ++i) {
        const anear_record* record = anear_records_at(records, i);
        require((record != nullptr) == model_.contains(keys[i]), "what was written is there");
        if (record == nullptr) continue;
        require(text_of(record->key) == keys[i], "a record has its key");
        const bool asked_rows = (asked.parts & ANEAR_WITH_VECTORS) != 0;
        require(record->vector_count == (asked_rows && model_[keys[i]] ? 1 : 0), "rows are there");
      }
    }
    anear_records_free(records);
  }

  /// All keys that match, page by page.
  std::set<std::string> scanned(anear_filter filter) {
    std::set<std::string> keys;
    anear_scan asked = ANEAR_SCAN_INIT;
    asked.filter = filter;
    asked.limit = 5;
    for (std::string after;;) {
      asked.after = {after.data(), after.size()};
      anear_records* records = nullptr;
      if (!done(anear_collection_scan(collection_, &asked, &records, &error_))) return {};
      const std::size_t size = anear_records_size(records);
      for (std::size_t i = 0; i < size; ++i) {
        std::string next = text_of(anear_records_at(records, i)->key);
        require(after < next, "keys ascend");
        after = std::move(next);
        keys.insert(after);
      }
      anear_records_free(records);
      if (size < asked.limit) return keys;
    }
  }

  void scan() {
    const AnyFilter filter(input_);
    std::uint64_t matching = 0;
    if (!done(anear_collection_count(collection_, &filter.filter, &matching, &error_))) return;
    const std::set<std::string> keys = scanned(filter.filter);
    require(keys.size() == matching, "as many are read as match");
    for (const std::string& key : keys) require(model_.contains(key), "what was read was written");
  }

  void count() {
    const AnyFilter filter(input_);
    std::uint64_t matching = 0, others = 0;
    if (!done(anear_collection_count(collection_, &filter.filter, &matching, &error_))) return;
    require(matching <= model_.size(), "no more match than there are");
    if (filter.text.empty()) return;
    const std::string negation = "not (" + filter.text + ")";
    anear_filter opposite = filter.filter;
    opposite.text = negation.c_str();
    if (!done(anear_collection_count(collection_, &opposite, &others, &error_))) return;
    require(matching + others == model_.size(), "not p is the rest of p");
  }

  void search() {
    const std::vector<float> values = row();
    const std::string near = key();
    const AnyFilter filter(input_);
    anear_query query = ANEAR_QUERY_INIT;
    const auto how = input_.take<std::uint8_t>();
    query.parts = how % 16;
    query.k = input_.take<std::uint8_t>() % 8;
    query.recall = how < 128 ? 1.0F : 0.0F;
    query.filter = filter.filter;
    if (how % 3 == 0) query.key = {near.data(), near.size()};
    if (how % 3 != 0) query.queries = {values.data(), 1, kDimension, 0, ANEAR_SCALAR_F32};
    anear_hits* hits = nullptr;
    if (done(anear_collection_search(collection_, &query, &hits, &error_)))
      check_hits(hits, query.k == 0 ? 10 : query.k, filter.text.empty() && how % 3 != 0);
    anear_hits_free(hits);
  }
  void check_hits(const anear_hits* hits, std::size_t k, bool all_match) {
    const std::size_t size = anear_hits_size(hits);
    const auto rows = static_cast<std::size_t>(
        std::count_if(model_.begin(), model_.end(), [](const auto& r) { return r.second; }));
    require(all_match ? size == std::min(k, rows) : size <= std::min(k, rows),
            "never fewer than k when k match");
    std::set<std::string> seen;
    for (std::size_t i = 0; i < size; ++i) {
      const anear_hit* hit = anear_hits_at(hits, i);
      require(!std::isnan(hit->distance), "a distance is a number");
      require(i == 0 || anear_hits_at(hits, i - 1)->distance <= hit->distance, "nearest first");
      const std::string key = text_of(hit->record->key);
      require(model_.contains(key) && model_[key], "what is found was written with a row");
      require(seen.insert(key).second, "a record is found once");
    }
    require(anear_hits_at(hits, size) == nullptr, "there is nothing behind the last");
  }

  void search_into() {
    std::vector<float> values = row();
    for (const float value : row()) values.push_back(value);
    const std::size_t k = input_.take<std::uint8_t>() % 4 + 1;
    std::vector<float> distances(2 * k);
    std::vector<std::size_t> offsets(2 * k + 1);
    std::vector<std::uint32_t> found(2);
    std::string keys(input_.take<std::uint8_t>(), '\0');
    anear_query query = ANEAR_QUERY_INIT;
    query.queries = {values.data(), 2, kDimension, 0, ANEAR_SCALAR_F32};
    query.k = k;
    anear_answers answers = ANEAR_ANSWERS_INIT;
    answers.distances = distances.data();
    answers.key_offsets = offsets.data();
    answers.found = found.data();
    answers.key_bytes = keys.data();
    answers.key_bytes_max = keys.size();
    if (!done(anear_collection_search_into(collection_, &query, &answers, &error_))) return;
    require(found[0] <= k && found[1] <= k, "no more answers than were asked for");
    require(offsets[2 * k] == answers.key_bytes_used, "offsets end with the keys");
    require(answers.key_bytes_used <= keys.size(), "keys stay in their room");
  }

  /// One that comes and goes, under any name.
  void other_collection() {
    std::string name(input_.take_bytes(input_.take<std::uint8_t>() % 6));
    name = name.substr(0, name.find('\0'));
    if (name == "c") return;
    anear_index_options index = ANEAR_INDEX_OPTIONS_INIT;
    index.dimension = input_.take<std::uint8_t>();
    index.kind = input_.take<std::uint8_t>() % 5;
    index.metric = input_.take<std::uint8_t>() % 5;
    index.rows = input_.take<std::uint8_t>() % 5;
    const anear_vector_schema vector = {"v", &index};
    anear_schema schema = ANEAR_SCHEMA_INIT;
    schema.vectors = &vector;
    schema.vector_count = 1;
    anear_collection* other = nullptr;
    if (!done(anear_collection_create(store_, name.c_str(), &schema, &other, &error_))) {
      require(other == nullptr, "nothing is returned after a failure");
      return;
    }
    require(anear_collection_name(other) == name, "a collection has its name");
    must(anear_collection_drop(store_, name.c_str(), &error_));
    std::uint64_t none = 0;
    require(anear_collection_count(other, nullptr, &none, &error_) == ANEAR_NOT_FOUND,
            "a dropped collection is gone");
    anear_collection_free(other);
  }

  /// Calls that no program should make.
  void refused() {
    anear_batch batch = ANEAR_BATCH_INIT;
    // What is said to be longer than it is would be read beyond its end.
    batch.struct_size = input_.take<std::uint8_t>() % static_cast<std::uint32_t>(sizeof batch + 1);
    batch.flags = input_.take<std::uint8_t>();
    batch.count = input_.take<std::uint8_t>() % 2;
    done(anear_collection_update(collection_, &batch, nullptr, &error_));
    anear_query query = ANEAR_QUERY_INIT;
    const float value = 1;
    query.queries = {input_.take<std::uint8_t>() % 2 == 0 ? &value : nullptr, 1, 1, 0,
                     input_.take<std::int8_t>()};
    anear_hits* hits = nullptr;
    require(!done(anear_collection_search(collection_, &query, &hits, &error_)),
            "a query of another dimension is refused");
    require(hits == nullptr, "nothing is returned after a failure");
    require(!done(anear_collection_search(nullptr, nullptr, nullptr, &error_)), "NULL is refused");
  }

  void reopen() {
    if (!on_disk_) {
      must(anear_collection_flush(collection_, &error_));
      return;
    }
    if (input_.take<std::uint8_t>() % 2 == 0) must(anear_collection_flush(collection_, &error_));
    must(anear_store_close(store_, &error_));
    std::uint64_t none = 0;
    require(anear_collection_count(collection_, nullptr, &none, &error_) == ANEAR_CLOSED,
            "a closed store says so");
    anear_collection_free(collection_);
    anear_store_free(store_);
    open();
    must(anear_collection_open(store_, "c", &collection_, &error_));
  }

  void check_count() {
    std::uint64_t all = 0;
    must(anear_collection_count(collection_, nullptr, &all, &error_));
    require(all == model_.size(), "as many records as were written");
  }
  void check_all() {
    const std::set<std::string> keys = scanned({});
    require(keys.size() == model_.size(), "as many records are read as were written");
    for (const auto& [key, has_row] : model_)
      require(keys.contains(key), "what was written is there");
    anear_verification report = ANEAR_VERIFICATION_INIT;
    must(anear_store_verify(store_, &report, &error_));
    require(report.records == model_.size(), "as many records are verified as were written");
  }

  Input input_;
  bool on_disk_;
  std::optional<testing::TempDirectory> directory_;
  anear_error error_ = ANEAR_ERROR_INIT;
  anear_store* store_ = nullptr;
  anear_collection* collection_ = nullptr;
  Model model_;
  std::uint64_t sequence_ = 0;
};

void run(std::string_view bytes) {
  Input input(bytes);
  const bool on_disk = input.take<std::uint8_t>() == kOnDisk;
  Program(input, on_disk).run();
}

std::vector<std::string> seeds() {
  std::vector<std::string> inputs;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Random random(seed);
    std::string bytes(1, static_cast<char>(seed == 0 ? kOnDisk : 0));
    // Small bytes: good operations and values are among them.
    while (bytes.size() < 300)
      bytes.push_back(static_cast<char>(random.below(seed < 3 ? 40 : 256)));
    inputs.push_back(std::move(bytes));
  }
  return inputs;
}

}  // namespace
}  // namespace operations_target

extern const Target kOperationsTarget;
const Target kOperationsTarget = {"operations", operations_target::run, operations_target::seeds,
                                  150};

}  // namespace anear::fuzz
