#include "anear/storage/record.hpp"

#include <algorithm>
#include <cmath>

#include "sealed.hpp"
#include "storage/schema/record_generated.h"

namespace anear::storage {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;
template <typename T>
using Offset = flatbuffers::Offset<T>;

Error damaged_record(std::string_view bytes) {
  return Error{ErrorCode::kCorruption,
               "a stored record of " + std::to_string(bytes.size()) + " bytes is damaged",
               Subcode::kChecksum};
}

flatbuffers::Offset<flatbuffers::String> text_of(Builder& builder, std::string_view text) {
  return builder.CreateString(text.data(), text.size());
}

/// What a field's value is made of before its table: at most one of these.
struct Parts {
  std::int64_t number = 0;
  double real = 0;
  Offset<flatbuffers::String> text{};
  Offset<flatbuffers::Vector<std::uint8_t>> booleans{};
  Offset<flatbuffers::Vector<std::int64_t>> numbers{};
  Offset<flatbuffers::Vector<double>> reals{};
  Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> texts{};
};

/// One overload for each alternative of Value.
struct TakeApart {
  Builder& builder;
  Parts operator()(Missing) const { return {}; }
  Parts operator()(Null) const { return {}; }
  Parts operator()(bool value) const { return {.number = value ? 1 : 0}; }
  Parts operator()(std::int64_t value) const { return {.number = value}; }
  Parts operator()(double value) const { return {.real = value}; }
  Parts operator()(const std::string& value) const { return {.text = text_of(builder, value)}; }
  Parts operator()(Timestamp value) const { return {.number = value.micros}; }
  Parts operator()(const std::vector<bool>& values) const {
    const std::vector<std::uint8_t> bytes(values.begin(), values.end());
    return {.booleans = builder.CreateVector(bytes)};
  }
  Parts operator()(const std::vector<std::int64_t>& values) const {
    return {.numbers = builder.CreateVector(values)};
  }
  Parts operator()(const std::vector<double>& values) const {
    return {.reals = builder.CreateVector(values)};
  }
  Parts operator()(const std::vector<std::string>& values) const {
    return {.texts = builder.CreateVectorOfStrings(values)};
  }
  Parts operator()(const std::vector<Timestamp>& values) const {
    std::vector<std::int64_t> numbers;
    numbers.reserve(values.size());
    for (const Timestamp value : values) numbers.push_back(value.micros);
    return {.numbers = builder.CreateVector(numbers)};
  }
  Parts operator()(const Json& value) const { return {.text = text_of(builder, value.text)}; }
};

Offset<fb::Field> build_field(Builder& builder, const Field& field) {
  const auto name = text_of(builder, field.first);
  const Parts parts = std::visit(TakeApart{builder}, field.second);
  fb::FieldBuilder out(builder);
  out.add_name(name);
  // Null has the number 0, all others those of FieldType.
  out.add_kind(static_cast<fb::FieldKind>(type_of(field.second)));
  out.add_number(parts.number);
  // FlatBuffers leaves out what equals the default, and -0.0 equals 0.
  builder.ForceDefaults(std::signbit(parts.real));
  out.add_real(parts.real);
  builder.ForceDefaults(false);
  if (!parts.text.IsNull()) out.add_text(parts.text);
  if (!parts.booleans.IsNull()) out.add_booleans(parts.booleans);
  if (!parts.numbers.IsNull()) out.add_numbers(parts.numbers);
  if (!parts.reals.IsNull()) out.add_reals(parts.reals);
  if (!parts.texts.IsNull()) out.add_texts(parts.texts);
  return out.Finish();
}

Offset<flatbuffers::Vector<Offset<fb::Field>>> build_fields(Builder& builder,
                                                            const Fields& fields) {
  std::vector<const Field*> sorted;
  sorted.reserve(fields.size());
  for (const Field& field : fields) {
    if (!std::holds_alternative<Missing>(field.second)) sorted.push_back(&field);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Field* a, const Field* b) { return a->first < b->first; });
  std::vector<Offset<fb::Field>> built;
  built.reserve(sorted.size());
  for (const Field* field : sorted) built.push_back(build_field(builder, *field));
  return builder.CreateVector(built);
}

std::string build_record(Builder& builder, const RecordView& record) {
  builder.Clear();
  const auto key = text_of(builder, record.key);
  const auto fields = record.fields == nullptr ? Offset<flatbuffers::Vector<Offset<fb::Field>>>()
                                               : build_fields(builder, *record.fields);
  const auto payload =
      record.payload.empty()
          ? Offset<flatbuffers::Vector<std::uint8_t>>()
          : builder.CreateVector(reinterpret_cast<const std::uint8_t*>(record.payload.data()),
                                 record.payload.size());
  const RecordHeader& from = record.header;
  const fb::Header header(from.created, from.updated, from.expires_at, from.source_sequence,
                          from.sequence);
  const auto rows = record.rows.empty()
                        ? Offset<flatbuffers::Vector<std::uint64_t>>()
                        : builder.CreateVector(record.rows.data(), record.rows.size());
  builder.Finish(fb::CreateRecord(builder, &header, key, fields, payload, rows));
  return seal(builder);
}

template <typename Out, typename In>
std::vector<Out> list_of(const flatbuffers::Vector<In>* in) {
  std::vector<Out> out;
  if (in == nullptr) return out;
  out.reserve(in->size());
  for (flatbuffers::uoffset_t i = 0; i < in->size(); ++i)
    out.push_back(static_cast<Out>(in->Get(i)));
  return out;
}

std::string text_or_empty(const flatbuffers::String* text) {
  return text == nullptr ? std::string() : to_string(*text);
}

std::vector<std::string> texts_of(const fb::Field& field) {
  std::vector<std::string> texts;
  if (field.texts() == nullptr) return texts;
  texts.reserve(field.texts()->size());
  for (const flatbuffers::String* text : *field.texts()) texts.push_back(to_string(*text));
  return texts;
}

std::vector<Timestamp> timestamps_of(const fb::Field& field) {
  std::vector<Timestamp> values;
  if (field.numbers() == nullptr) return values;
  values.reserve(field.numbers()->size());
  for (const std::int64_t micros : *field.numbers()) values.push_back(Timestamp{micros});
  return values;
}

/// Missing: a kind of a later format.
Value value_of(const fb::Field& field) {
  switch (field.kind()) {
    case fb::FieldKind::Null:
      return Null{};
    case fb::FieldKind::Bool:
      return field.number() != 0;
    case fb::FieldKind::Int64:
      return field.number();
    case fb::FieldKind::Float64:
      return field.real();
    case fb::FieldKind::String:
      return text_or_empty(field.text());
    case fb::FieldKind::Timestamp:
      return Timestamp{field.number()};
    case fb::FieldKind::BoolList:
      return list_of<bool>(field.booleans());
    case fb::FieldKind::Int64List:
      return list_of<std::int64_t>(field.numbers());
    case fb::FieldKind::Float64List:
      return list_of<double>(field.reals());
    case fb::FieldKind::StringList:
      return texts_of(field);
    case fb::FieldKind::TimestampList:
      return timestamps_of(field);
    case fb::FieldKind::Json:
      return Json{text_or_empty(field.text())};
  }
  return Missing{};
}

RecordHeader header_of(const fb::Record& record) {
  const fb::Header& from = *record.header();
  return {from.created(), from.updated(), from.expires_at(), from.source_sequence(),
          from.sequence()};
}

}  // namespace

struct RecordEncoder::Impl {
  Builder builder{1'024};
};

RecordEncoder::RecordEncoder() : impl_(std::make_unique<Impl>()) {}
RecordEncoder::RecordEncoder(RecordEncoder&&) noexcept = default;
RecordEncoder& RecordEncoder::operator=(RecordEncoder&&) noexcept = default;
RecordEncoder::~RecordEncoder() = default;

std::string RecordEncoder::encode(const RecordView& record) {
  return build_record(impl_->builder, record);
}

std::string encode_record(const RecordView& record) { return RecordEncoder().encode(record); }

Result<StoredRecord> decode_record(std::string_view bytes, const RecordParts& parts) {
  Unsealed<fb::Record> record;
  if (!record.open(bytes)) return damaged_record(bytes);
  StoredRecord out{header_of(*record),
                   to_string(*record->key()),
                   {},
                   {},
                   list_of<std::uint64_t>(record->rows())};
  if (parts.fields && record->fields() != nullptr) {
    out.fields.reserve(record->fields()->size());
    for (const fb::Field* field : *record->fields()) {
      Value value = value_of(*field);
      if (std::holds_alternative<Missing>(value)) return damaged_record(bytes);
      out.fields.emplace_back(to_string(*field->name()), std::move(value));
    }
  }
  if (parts.payload && record->payload() != nullptr) {
    out.payload.assign(reinterpret_cast<const char*>(record->payload()->data()),
                       record->payload()->size());
  }
  return out;
}

Result<std::string_view> decode_key(std::string_view bytes) {
  Unsealed<fb::Record> record;
  if (!record.open(bytes)) return damaged_record(bytes);
  const char* const body = bytes.data() + kSealBytes;
  const flatbuffers::String& key = *record->key();
  // The root may be in a copy; the key's place in it is the same.
  return std::string_view(body + record.offset_of(key.data()), key.size());
}

Result<RecordHeader> decode_header(std::string_view bytes) {
  Unsealed<fb::Record> record;
  if (!record.open(bytes)) return damaged_record(bytes);
  return header_of(*record);
}

}  // namespace anear::storage
