#include "collection/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>
#include <variant>

#include "anear/filter/compare.hpp"
#include "anear/filter/json.hpp"
#include "anear/quant/scalar_codes.hpp"
#include "anear/simd/kernels.hpp"
#include "collection/schema.hpp"
#include "collection/store_keys.hpp"

namespace anear {
namespace {

Error at(Status status, std::size_t record) {
  return std::move(status).error().at_record(static_cast<std::int64_t>(record));
}

Status check_key(std::string_view key) {
  if (key.empty()) return invalid_argument("a key is empty", Subcode::kKeyInvalid);
  if (key.size() > kKeyBytesMax) {
    return invalid_argument("key " + quoted(key) + " has " + std::to_string(key.size()) +
                                " bytes; at most " + std::to_string(kKeyBytesMax) + " are allowed",
                            Subcode::kKeyInvalid);
  }
  if (!is_utf8(key)) return invalid_argument("a key is not UTF-8", Subcode::kKeyInvalid);
  return {};
}

Status check_keys(std::span<const std::string_view> keys) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (Status status = check_key(keys[i]); !status) return at(std::move(status), i);
    if (!seen.insert(keys[i]).second) {
      return invalid_argument("key " + quoted(keys[i]) + " stands twice in the batch",
                              Subcode::kDuplicateKey)
          .at_record(static_cast<std::int64_t>(i));
    }
  }
  return {};
}

Status wrong_count(const std::string& what, std::size_t got, std::size_t keys) {
  return invalid_argument(
      what + " has " + std::to_string(got) + " entries for " + std::to_string(keys) + " keys",
      Subcode::kCountMismatch);
}

Status check_shape(const RecordBatch& batch) {
  const std::size_t keys = batch.keys.size();
  for (const VectorColumn& column : batch.vectors) {
    const std::string what = "vector '" + std::string(column.name) + "'";
    if (column.rows.rows() != keys) return wrong_count(what, column.rows.rows(), keys);
    if (!column.present.empty() && column.present.size() != keys)
      return wrong_count(what + ": present", column.present.size(), keys);
  }
  for (const FieldColumn& column : batch.fields) {
    if (column.values.size() != keys)
      return wrong_count("field '" + std::string(column.name) + "'", column.values.size(), keys);
  }
  if (!batch.payloads.empty() && batch.payloads.size() != keys)
    return wrong_count("payloads", batch.payloads.size(), keys);
  if (!batch.expected.empty() && batch.expected.size() != keys)
    return wrong_count("expected", batch.expected.size(), keys);
  return {};
}

/// A row in the form in which the vector stores it.
std::string stored_row(VectorView row, ScalarKind kind) {
  if (row.kind() == kind) return keys::encode_row(row);
  std::vector<float> numbers;
  const float* values = as_floats(row, numbers);
  if (kind == ScalarKind::kF32) return keys::encode_row({values, row.dimension(), kind});
  std::vector<Half> halves(row.dimension());
  kernels().f32_to_f16(values, halves.data(), row.dimension());
  return keys::encode_row(std::span<const Half>(halves));
}

Status add_vectors(const VectorColumn& column, const CollectionSchema& schema,
                   PreparedBatch& prepared) {
  const auto number = vector_number(schema, column.name);
  if (!number) return number.error();
  const VectorSchema& vector = schema.vectors[*number];
  std::vector<std::byte> copy;
  for (std::size_t i = 0; i < prepared.records.size(); ++i) {
    if (!column.present.empty() && column.present[i] == 0) continue;
    // Checked and stored is one and the same, also where another thread writes to it meanwhile, as
    // it can to an array of numpy.
    VectorView row = column.rows.row(i);
    if (row.dimension() == vector.dimension) {
      const auto* const bytes = static_cast<const std::byte*>(row.data());
      copy.assign(bytes, bytes + row.bytes());
      row = {copy.data(), row.dimension(), row.kind()};
    }
    if (Status status = check_vector(row, vector.dimension, vector.metric, vector.kind); !status) {
      Error error = at(std::move(status), i);
      error.message = "vector '" + vector.name + "' of " + quoted(prepared.records[i].key) + ": " +
                      error.message;
      return error;
    }
    std::string& stored = prepared.records[i].rows[*number];
    if (!stored.empty())
      return invalid_argument("vector '" + vector.name + "' stands twice in the batch");
    stored = stored_row(row, vector.kind);
    prepared.bytes += stored.size();
  }
  return {};
}

bool is_text_valid(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return is_utf8(*text);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value))
    return std::all_of(texts->begin(), texts->end(),
                       [](const auto& text) { return is_utf8(text); });
  return true;
}

struct ByteCounter {
  std::size_t operator()(const std::string& text) const { return text.size(); }
  std::size_t operator()(const Json& json) const { return json.text.size(); }
  template <typename T>
  std::size_t operator()(const std::vector<T>& list) const {
    std::size_t bytes = 0;
    if constexpr (std::is_same_v<T, std::string>) {
      for (const std::string& text : list) bytes += text.size() + sizeof(std::uint32_t);
    } else {
      bytes = list.size() * sizeof(T);
    }
    return bytes;
  }
  template <typename T>
  std::size_t operator()(const T&) const {
    return sizeof(std::int64_t);
  }
};

struct EmptyList {
  template <typename T>
  bool operator()(const std::vector<T>& list) const {
    return list.empty();
  }
  template <typename T>
  bool operator()(const T&) const {
    return false;
  }
};

std::optional<Value> empty_list_of(FieldType type) {
  switch (type) {
    case FieldType::kBoolList:
      return Value(std::vector<bool>{});
    case FieldType::kInt64List:
      return Value(std::vector<std::int64_t>{});
    case FieldType::kFloat64List:
      return Value(std::vector<double>{});
    case FieldType::kStringList:
      return Value(std::vector<std::string>{});
    case FieldType::kTimestampList:
      return Value(std::vector<Timestamp>{});
    default:
      return std::nullopt;
  }
}

bool is_exact(std::int64_t number) {
  return compare_numbers(number, static_cast<double>(number)) == 0;
}

/// The value as the field stores it: an int64 where a float64 is declared becomes one if exact.
std::optional<Value> converted(const Value& value, FieldType type) {
  if (type == FieldType::kAny || type_of(value) == FieldType::kAny || type_of(value) == type)
    return value;
  if (type == FieldType::kFloat64) {
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number != nullptr && is_exact(*number)) return Value(static_cast<double>(*number));
  }
  if (type == FieldType::kFloat64List) {
    const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value);
    if (numbers != nullptr && std::all_of(numbers->begin(), numbers->end(), is_exact))
      return Value(std::vector<double>(numbers->begin(), numbers->end()));
  }
  // An empty list has no type of its own.
  return std::visit(EmptyList{}, value) ? empty_list_of(type) : std::nullopt;
}

/// Of a value that cannot be converted.
Error wrong_type(const Value& value, const FieldSchema& field) {
  std::string message = "field '" + field.name + "' is declared " + name_of(field.type);
  // Where floats are declared, integers are of a wrong type only when one of them is not exact.
  const std::int64_t* inexact = nullptr;
  if (field.type == FieldType::kFloat64) inexact = std::get_if<std::int64_t>(&value);
  const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value);
  if (field.type == FieldType::kFloat64List && numbers != nullptr)
    inexact = &*std::find_if_not(numbers->begin(), numbers->end(), is_exact);
  if (inexact != nullptr)
    message += ", which cannot hold the integer " + std::to_string(*inexact) + " exactly";
  else
    message += std::string(", the value is ") + name_of(type_of(value));
  return invalid_argument(std::move(message), Subcode::kWrongType);
}

Result<Value> checked_value(const Value& value, const FieldSchema& field) {
  std::optional<Value> stored = converted(value, field.type);
  if (!stored) return wrong_type(value, field);
  if (const std::size_t bytes = std::visit(ByteCounter{}, *stored); bytes > kFieldBytesMax) {
    return Error{ErrorCode::kLimitExceeded,
                 "field '" + field.name + "': a value has at most 16 MiB, this one has " +
                     std::to_string(bytes) + " bytes; split it over several records",
                 Subcode::kPayloadTooLarge};
  }
  if (!is_text_valid(*stored))
    return invalid_argument("field '" + field.name + "': a string is not UTF-8",
                            Subcode::kWrongType);
  if (const auto* json = std::get_if<Json>(&*stored); json != nullptr && !is_valid_json(json->text))
    return invalid_argument("field '" + field.name +
                                "': the text is not one JSON document, or one that is nested "
                                "deeper than 64",
                            Subcode::kWrongType);
  return std::move(*stored);
}

/// The declaration of a field; an undeclared one is kAny when the collection is dynamic.
Result<FieldSchema> declared_field(std::string_view name, const CollectionSchema& schema) {
  for (const FieldSchema& field : schema.fields) {
    if (field.name == name) return field;
  }
  if (!schema.dynamic) {
    return invalid_argument("field '" + std::string(name) +
                                "' is not declared; declare it, or make the collection dynamic",
                            Subcode::kUnknownField);
  }
  if (name.empty() || name.size() > kNameBytesMax || !is_utf8(name)) {
    return invalid_argument("field name " + quoted(name) + " has " + std::to_string(name.size()) +
                                " bytes; it must have 1 to 128 of UTF-8",
                            Subcode::kNameInvalid);
  }
  return FieldSchema{std::string(name), FieldType::kAny};
}

Error in_record(Error error, const PreparedBatch& prepared, std::size_t i) {
  error.message += " (record " + quoted(prepared.records[i].key) + ")";
  return std::move(error).at_record(static_cast<std::int64_t>(i));
}

Status add_fields(const FieldColumn& column, const CollectionSchema& schema,
                  PreparedBatch& prepared) {
  const auto field = declared_field(column.name, schema);
  if (!field) {
    const auto first =
        std::find_if(column.values.begin(), column.values.end(),
                     [](const Value& value) { return !std::holds_alternative<Missing>(value); });
    if (first == column.values.end()) return field.error();
    return in_record(field.error(), prepared,
                     static_cast<std::size_t>(first - column.values.begin()));
  }
  for (std::size_t i = 0; i < prepared.records.size(); ++i) {
    if (std::holds_alternative<Missing>(column.values[i])) continue;
    auto value = checked_value(column.values[i], *field);
    if (!value) return in_record(std::move(value).error(), prepared, i);
    prepared.bytes += std::visit(ByteCounter{}, *value);
    prepared.records[i].fields.emplace_back(field->name, std::move(*value));
  }
  return {};
}

Status sort_fields(PreparedBatch& prepared) {
  for (PreparedRecord& record : prepared.records) {
    const auto by_name = [](const Field& a, const Field& b) { return a.first < b.first; };
    std::sort(record.fields.begin(), record.fields.end(), by_name);
    const auto twice =
        std::adjacent_find(record.fields.begin(), record.fields.end(),
                           [](const Field& a, const Field& b) { return a.first == b.first; });
    if (twice != record.fields.end())
      return invalid_argument("field '" + twice->first + "' stands twice in the batch");
  }
  return {};
}

Status add_payloads(const RecordBatch& batch, PreparedBatch& prepared) {
  prepared.sets_payload = !batch.payloads.empty();
  for (std::size_t i = 0; i < batch.payloads.size(); ++i) {
    if (batch.payloads[i].size() > kPayloadBytesMax) {
      return Error{ErrorCode::kLimitExceeded,
                   "the payload of " + quoted(batch.keys[i]) + " has " +
                       std::to_string(batch.payloads[i].size()) +
                       " bytes; at most 16 MiB are allowed",
                   Subcode::kPayloadTooLarge}
          .at_record(static_cast<std::int64_t>(i));
    }
    prepared.records[i].payload = batch.payloads[i];
    prepared.bytes += batch.payloads[i].size();
  }
  return {};
}

}  // namespace

std::string quoted(std::string_view key) {
  constexpr std::size_t kShown = 48;
  if (!is_utf8(key)) return "(not UTF-8)";
  std::size_t bytes = std::min(key.size(), kShown);
  while (bytes > 0 && bytes < key.size() && (static_cast<std::uint8_t>(key[bytes]) & 0xc0) == 0x80)
    --bytes;
  return "'" + std::string(key.substr(0, bytes)) + (bytes < key.size() ? "…'" : "'");
}

Result<PreparedBatch> prepare(const RecordBatch& batch, const CollectionSchema& schema) {
  if (Status status = check_shape(batch); !status) return std::move(status).error();
  if (Status status = check_keys(batch.keys); !status) return std::move(status).error();
  PreparedBatch prepared;
  prepared.expected = batch.expected;
  prepared.records.resize(batch.keys.size());
  for (std::size_t i = 0; i < batch.keys.size(); ++i) {
    prepared.records[i].key = batch.keys[i];
    prepared.records[i].rows.resize(schema.vectors.size());
    prepared.bytes += batch.keys[i].size();
  }
  for (const VectorColumn& column : batch.vectors) {
    if (Status status = add_vectors(column, schema, prepared); !status)
      return std::move(status).error();
  }
  for (const FieldColumn& column : batch.fields) {
    if (Status status = add_fields(column, schema, prepared); !status)
      return std::move(status).error();
  }
  if (Status status = sort_fields(prepared); !status) return std::move(status).error();
  if (Status status = add_payloads(batch, prepared); !status) return std::move(status).error();
  if (prepared.bytes > kBatchBytesMax) {
    return Error{ErrorCode::kLimitExceeded, "a batch holds at most 1 GiB; this one has " +
                                                std::to_string(prepared.bytes) +
                                                " bytes: split it"};
  }
  return prepared;
}

Result<std::vector<std::string_view>> prepare_keys(std::span<const std::string_view> keys) {
  std::vector<std::string_view> unique;
  std::unordered_set<std::string_view> seen;
  unique.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (Status status = check_key(keys[i]); !status) return at(std::move(status), i);
    if (seen.insert(keys[i]).second) unique.push_back(keys[i]);
  }
  return unique;
}

}  // namespace anear
