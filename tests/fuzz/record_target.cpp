// The bytes of a stored record.
#include <algorithm>

#include "anear/storage/record.hpp"
#include "sealed_bytes.hpp"

namespace anear::fuzz {
namespace record_target {
namespace {

using storage::StoredRecord;

std::string encode(const StoredRecord& record) {
  return storage::encode_record({record.header, record.key, &record.fields, record.payload});
}

void run(std::string_view bytes) {
  const Exact raw(bytes);
  (void)storage::decode_record(raw.view());
  const Exact stored(sealed(bytes));
  const auto record = storage::decode_record(stored.view());
  const auto key = storage::decode_key(stored.view());
  const auto header = storage::decode_header(stored.view());
  const auto bare = storage::decode_record(stored.view(), {.fields = false, .payload = false});
  require(key.has_value() == header.has_value(), "key and header are read or refused together");
  require(key.has_value() == bare.has_value(), "a record without its parts is its key and header");
  if (!record) return;
  require(key && *key == record->key, "the key alone is the key of the record");
  require(*header == record->header, "the header alone is the header of the record");
  const std::string once = encode(*record);
  const auto again = storage::decode_record(once);
  require(again.has_value(), "what was read can be written and read again");
  require(again->payload == record->payload, "a payload stays as it is");
  const bool ascending =
      std::is_sorted(record->fields.begin(), record->fields.end(),
                     [](const Field& a, const Field& b) { return a.first <= b.first; });
  if (ascending) require(encode(*again) == once, "writing is repeatable");
}

std::vector<std::string> seeds() {
  const Fields fields = {{"b", true},
                         {"bl", std::vector<bool>{true, false}},
                         {"f", 1.5},
                         {"fl", std::vector<double>{1.5, -2.5}},
                         {"i", std::int64_t{-7}},
                         {"il", std::vector<std::int64_t>{1, 2}},
                         {"j", Json{R"({"a":1})"}},
                         {"n", Null{}},
                         {"s", "text"},
                         {"sl", std::vector<std::string>{"", "cli"}},
                         {"t", Timestamp{1'700'000'000'000'000}},
                         {"tl", std::vector<Timestamp>{Timestamp{1}}}};
  const Fields few = {{"size", std::int64_t{3}}, {"tags", std::vector<std::string>{"a", "b"}}};
  const storage::RecordHeader header{1, 2, 3, 4, 5};
  return {unsealed(storage::encode_record({header, "key/1", &fields, "payload"})),
          unsealed(storage::encode_record({header, "key/2", &few, ""})),
          unsealed(storage::encode_record({header, "k", nullptr, ""}))};
}

}  // namespace
}  // namespace record_target

extern const Target kRecordTarget;
const Target kRecordTarget = {"record", record_target::run, record_target::seeds, 20'000};

}  // namespace anear::fuzz
