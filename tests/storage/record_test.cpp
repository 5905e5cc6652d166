#include "anear/storage/record.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "anear/storage/checksum.hpp"

namespace record_test {

using namespace anear;
using namespace anear::storage;

namespace {

Fields every_kind() {
  return {{"b", true},
          {"bl", std::vector<bool>{true, false, true}},
          {"f", -0.0},
          {"fl", std::vector<double>{1.5, -2.5}},
          {"i", std::int64_t{-7}},
          {"il", std::vector<std::int64_t>{}},
          {"j", Json{R"({"a":1})"}},
          {"n", Null{}},
          {"s", std::string("caf\xc3\xa9\0x", 7)},
          {"sl", std::vector<std::string>{"", "cli"}},
          {"t", Timestamp{1'700'000'000'000'000}},
          {"tl", std::vector<Timestamp>{Timestamp{1}, Timestamp{-2}}}};
}

const RecordHeader kHeader{1, 2, 3, 4, 5};

}  // namespace

TEST_CASE("A record comes back as it was stored, fields in order, missing ones left out") {
  Fields shuffled = every_kind();
  shuffled.insert(shuffled.begin(), {"zz", Missing{}});
  std::reverse(shuffled.begin(), shuffled.end());
  const std::string payload("\0\xff payload", 10);
  const std::string bytes = encode_record({kHeader, "key/1", &shuffled, payload});
  const auto record = decode_record(bytes);
  REQUIRE(record);
  CHECK(record->header == kHeader);
  CHECK(record->key == "key/1");
  CHECK((record->fields == every_kind()));
  CHECK(record->payload == payload);
  const auto key = decode_key(bytes);
  REQUIRE(key);
  CHECK(*key == "key/1");
  CHECK((key->data() > bytes.data() && key->data() < bytes.data() + bytes.size()));
  const auto header = decode_header(bytes);
  REQUIRE(header);
  CHECK(*header == kHeader);
  const auto bare = decode_record(bytes, {.fields = false, .payload = false});
  REQUIRE(bare);
  CHECK(bare->fields.empty());
  CHECK(bare->payload.empty());
}

TEST_CASE("A record without fields and payload comes back, and an encoder can be used again") {
  RecordEncoder encoder;
  const Fields fields = every_kind();
  (void)encoder.encode({kHeader, "first", &fields, "payload"});
  const auto record = decode_record(encoder.encode({kHeader, "second", nullptr, ""}));
  REQUIRE(record);
  CHECK(record->key == "second");
  CHECK(record->fields.empty());
}

TEST_CASE("A record is read at any alignment") {
  const Fields fields = every_kind();
  const std::string bytes = encode_record({kHeader, "key", &fields, "payload"});
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string moved = std::string(shift, 'x') + bytes;
    const std::string_view view = std::string_view(moved).substr(shift);
    const auto record = decode_record(view);
    REQUIRE(record);
    CHECK((record->fields == fields));
    const auto key = decode_key(view);
    REQUIRE(key);
    CHECK(*key == "key");
  }
}

TEST_CASE("Every flipped bit and every cut of a record is seen") {
  const Fields fields = every_kind();
  const std::string bytes = encode_record({kHeader, "key", &fields, "payload"});
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto record = decode_record(flipped);
    REQUIRE_FALSE(record);
    CHECK(record.error().code == ErrorCode::kCorruption);
    CHECK_FALSE(decode_key(flipped));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_record(bytes.substr(0, size)));
  }
  CHECK_FALSE(decode_record(bytes + 'x'));
}

TEST_CASE("Any bytes behind a right checksum are read safely or refused") {
  const Fields fields = every_kind();
  const std::string good = encode_record({kHeader, "key", &fields, "payload"});
  const auto seed = GENERATE(range(1U, 21U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::string body = good.substr(8);
    for (int change = 0; change < 4; ++change) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    if (round % 2 == 0) body.resize(random() % body.size());
    const std::uint64_t checksum = checksum64(std::string_view(body));
    const std::string bytes = std::string(reinterpret_cast<const char*>(&checksum), 8) + body;
    const auto record = decode_record(bytes);
    const auto key = decode_key(bytes);
    if (record) CHECK(*key == record->key);
  }
}

}  // namespace record_test
