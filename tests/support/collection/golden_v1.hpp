// What the golden stores of format 1 (tests/data/format_v1) hold: the steps that made them, and the
// state these steps lead to. Never changed, as the stores are never written again; a later format
// gets a file of its own.
//
// Numbers are small fractions of powers of two, so that they are the same on every machine, also
// as f16.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/options.hpp"
#include "anear/core/random.hpp"
#include "anear/core/value.hpp"

namespace anear::test::golden_v1 {

struct Item {
  std::string key;
  Fields fields{};
  std::string payload{};
  std::map<std::string, std::vector<float>> vectors{};
};

enum class Act : std::uint8_t { kUpsert, kUpdate, kDelete, kFlush };
struct Step {
  Act act;
  std::string collection;
  std::vector<Item> items{};  ///< Of kDelete: their keys count.
};

/// The records of each collection by key.
using Model = std::map<std::string, std::map<std::string, Item>>;

inline constexpr std::uint64_t kSeed = 20'261;

inline std::map<std::string, CollectionSchema> schemas() {
  CollectionSchema notes;
  notes.vectors = {{.name = "text",
                    .dimension = 12,
                    .index = HnswOptions{.links_max = 6, .ef_construction = 40}},
                   {.name = "image",
                    .dimension = 8,
                    .metric = Metric::kL2,
                    .kind = ScalarKind::kF16,
                    .index = FlatOptions{}}};
  notes.fields = {{"flag", FieldType::kBool},
                  {"flags", FieldType::kBoolList},
                  {"json", FieldType::kJson},
                  {"moment", FieldType::kTimestamp},
                  {"moments", FieldType::kTimestampList},
                  {"number", FieldType::kInt64},
                  {"numbers", FieldType::kInt64List},
                  {"ratio", FieldType::kFloat64},
                  {"ratios", FieldType::kFloat64List},
                  {"tags", FieldType::kStringList},
                  {"title", FieldType::kString}};
  notes.dynamic = true;
  CollectionSchema plain;
  plain.vectors = {
      {.name = "v", .dimension = 4, .metric = Metric::kInnerProduct, .index = FlatOptions{}}};
  CollectionSchema lists;
  lists.vectors = {{.name = "v",
                    .dimension = 8,
                    .metric = Metric::kL2,
                    .index = IvfPqOptions{.lists = 6, .subspaces = 2, .train_from = 100}}};
  lists.fields = {{"number", FieldType::kInt64}};
  CollectionSchema untrained = lists;
  return {{"lists", lists}, {"notes", notes}, {"plain", plain}, {"untrained", untrained}};
}

inline std::vector<float> row(std::size_t dimension, std::uint64_t seed) {
  Random random(kSeed + 1'000 * dimension + seed);
  std::vector<float> values(dimension);
  for (float& value : values)
    value = (static_cast<float>(random.below(2'001)) - 1'000.0F) / 1'024.0F;
  return values;
}

inline std::string key_of(const std::string& prefix, std::size_t i) {
  return prefix + "/" + std::to_string(i);
}

/// Number `i` of the notes, in the state it gets with `version`.
inline Item note(std::size_t i, std::uint64_t version) {
  const auto n = static_cast<std::int64_t>(i);
  const std::int64_t moment = 1'700'000'000'000'000 + n * 3'600'000'000;
  Item item{.key = key_of("caf\xc3\xa9", i)};
  Fields& fields = item.fields;
  fields = {{"flag", i % 2 == 0},
            {"flags", std::vector<bool>{i % 3 == 0, true, i % 5 == 0}},
            {"json", Json{R"({"n":)" + std::to_string(i) + R"(,"deep":[1,{"a":null}]})"}},
            {"moment", Timestamp{moment}},
            {"moments", std::vector<Timestamp>{{-moment}, {0}, {moment}}},
            {"number", n * n * n * 1'000'003},
            {"numbers", std::vector<std::int64_t>{n % 4, -n, INT64_MIN, INT64_MAX}},
            {"ratio", static_cast<double>(n) / 8 - 4},
            {"ratios", std::vector<double>{0.5, static_cast<double>(n % 6)}},
            {"tags", std::vector<std::string>{"cli", "group" + std::to_string(i % 7), ""}},
            {"title", std::string(i % 20 == 0 ? 150 : 3, 't') + std::to_string(version)}};
  if (i % 7 == 3) fields[5].second = Null{};
  if (i % 9 == 5) fields.erase(fields.begin() + 10);
  if (i % 4 == 0) fields.emplace_back("undeclared", n);
  if (i % 4 == 1) fields.emplace_back("undeclared", "text" + std::to_string(i));
  if (i % 3 != 1) item.payload = std::string(i % 50, static_cast<char>(i)) + "payload";
  item.vectors["text"] = row(12, i + 10'000 * version);
  if (i % 5 != 4) item.vectors["image"] = row(8, i + 10'000 * version);
  return item;
}

/// A record of one of the other collections.
inline Item simple(const std::string& prefix, std::size_t dimension, std::size_t i) {
  Item item{.key = key_of(prefix, i)};
  if (prefix != "plain") item.fields = {{"number", static_cast<std::int64_t>(i)}};
  item.vectors["v"] = row(dimension, i);
  return item;
}

inline std::vector<Item> notes(std::size_t first, std::size_t count, std::uint64_t version) {
  std::vector<Item> items;
  for (std::size_t i = first; i < first + count; ++i) items.push_back(note(i, version));
  return items;
}

inline std::vector<Item> simples(const std::string& prefix, std::size_t dimension,
                                 std::size_t count) {
  std::vector<Item> items;
  for (std::size_t i = 0; i < count; ++i) items.push_back(simple(prefix, dimension, i));
  return items;
}

/// Only one field, or only one vector, of a note.
inline Item field_alone(std::size_t i, Field field) {
  return {.key = note(i, 0).key, .fields = {std::move(field)}};
}
inline Item text_alone(std::size_t i, std::uint64_t version) {
  return {.key = note(i, 0).key, .vectors = {{"text", note(i, version).vectors["text"]}}};
}

/// How the stores were made. Images and row files hold what stands before each flush; the log, the
/// tail and the change log what stands behind it.
inline std::vector<Step> steps() {
  return {{Act::kUpsert, "notes", notes(0, 30, 0)},
          {Act::kUpsert, "notes", notes(30, 15, 0)},
          {Act::kDelete, "notes", {note(13, 0), note(14, 0)}},
          {Act::kFlush, "notes"},
          {Act::kUpsert, "lists", simples("lists", 8, 110)},
          {Act::kFlush, "lists"},
          {Act::kUpsert, "untrained", simples("untrained", 8, 12)},
          {Act::kFlush, "untrained"},
          {Act::kUpsert, "plain", simples("plain", 4, 12)},
          {Act::kUpsert, "notes", notes(45, 12, 0)},
          {Act::kUpdate,
           "notes",
           {field_alone(5, {"number", std::int64_t{-5}}), field_alone(6, {"title", Null{}})}},
          {Act::kUpdate, "notes", {text_alone(7, 1), text_alone(50, 1)}},
          {Act::kUpsert, "notes", {note(9, 1), note(13, 1)}},
          {Act::kDelete, "notes", {note(11, 0), note(48, 0)}},
          {Act::kDelete, "lists", {simple("lists", 8, 17)}}};
}

/// What is written to an opened copy.
inline std::vector<Step> later_steps() {
  return {{Act::kUpsert, "notes", notes(57, 20, 0)},
          {Act::kUpsert, "notes", notes(0, 10, 2)},
          {Act::kUpdate, "notes", {field_alone(20, {"number", std::int64_t{7}})}},
          {Act::kDelete, "notes", {note(30, 0), note(60, 0)}},
          {Act::kFlush, "notes"},
          {Act::kDelete, "lists", {simple("lists", 8, 18)}},
          {Act::kUpsert, "plain", {simple("plain", 4, 31)}},
          {Act::kUpsert, "untrained", simples("untrained", 8, 120)},
          {Act::kFlush, "untrained"},
          {Act::kUpdate, "notes", {text_alone(40, 3)}}};
}

/// What `step` does to `model`.
inline void apply(const Step& step, Model& model) {
  std::map<std::string, Item>& records = model[step.collection];
  for (const Item& item : step.items) {
    if (step.act == Act::kDelete) {
      records.erase(item.key);
    } else if (step.act == Act::kUpsert) {
      records[item.key] = item;
    } else {
      Item& record = records.at(item.key);
      for (const auto& [name, row] : item.vectors) record.vectors[name] = row;
      for (const Field& field : item.fields) {
        std::erase_if(record.fields, [&](const Field& old) { return old.first == field.first; });
        record.fields.push_back(field);
      }
    }
  }
}

}  // namespace anear::test::golden_v1
