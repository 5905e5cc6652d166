#include "inputs.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "guard.hpp"
#include "sized.hpp"

namespace anear::c {
namespace {

constexpr std::uint32_t kThreadsMax = 1'024;

static_assert(ANEAR_SCALAR_F32 - 1 == static_cast<int>(ScalarKind::kF32));
static_assert(ANEAR_SCALAR_F16 - 1 == static_cast<int>(ScalarKind::kF16));
static_assert(ANEAR_SCALAR_I8 - 1 == static_cast<int>(ScalarKind::kI8));
static_assert(ANEAR_TYPE_BOOL == static_cast<int>(FieldType::kBool));
static_assert(ANEAR_TYPE_TIMESTAMP == static_cast<int>(FieldType::kTimestamp));
static_assert(ANEAR_TYPE_TIMESTAMP_LIST == static_cast<int>(FieldType::kTimestampList));
static_assert(ANEAR_TYPE_JSON == static_cast<int>(FieldType::kJson));

std::string_view or_empty(const char* text) {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

Result<Value> list_of(const anear_value& value);

template <typename From, typename Make>
auto entries_of(const anear_list& list, const Make& make) {
  std::vector<decltype(make(From{}))> entries;
  entries.reserve(list.size);
  const auto* data = static_cast<const From*>(list.data);
  for (std::size_t i = 0; i < list.size; ++i) entries.push_back(make(data[i]));
  return entries;
}

}  // namespace

Error unknown_number(const char* what, std::int32_t number) {
  return invalid_argument(std::string(what) + " " + std::to_string(number) + " is unknown",
                          Subcode::kWrongType);
}

Status set_scalar(std::int32_t number, const char* what, ScalarKind& to) {
  if (number < 0 || number > ANEAR_SCALAR_I8) return unknown_number(what, number);
  if (number != 0) to = static_cast<ScalarKind>(number - 1);
  return {};
}

Status check_flags(std::uint32_t flags, std::uint32_t known, const char* what) {
  if ((flags & ~known) == 0) return {};
  return invalid_argument(std::string(what) + " are " + std::to_string(flags) +
                          "; this library knows the bits " + std::to_string(known));
}

Result<std::string_view> view_of(const anear_text& text, const char* what) {
  if (text.data == nullptr && text.size != 0) {
    return invalid_argument(std::string(what) + ": data is NULL, size is " +
                            std::to_string(text.size));
  }
  return std::string_view(text.data, text.size);
}

Result<std::vector<std::string_view>> views_of(std::span<const anear_text> texts,
                                               const char* what) {
  std::vector<std::string_view> views;
  views.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto view = view_of(texts[i], what);
    if (!view) return std::move(view).error().at_record(static_cast<std::int64_t>(i));
    views.push_back(*view);
  }
  return views;
}

Result<Value> value_of(const anear_value& value) {
  switch (value.type) {
    case ANEAR_TYPE_MISSING:
      return Value(Missing{});
    case ANEAR_TYPE_NULL:
      return Value(Null{});
    case ANEAR_TYPE_BOOL:
      return Value(value.as.boolean != 0);
    case ANEAR_TYPE_INT64:
      return Value(value.as.int64);
    case ANEAR_TYPE_FLOAT64:
      return Value(value.as.float64);
    case ANEAR_TYPE_TIMESTAMP:
      return Value(Timestamp{value.as.int64});
    case ANEAR_TYPE_STRING:
    case ANEAR_TYPE_JSON: {
      const auto text = view_of(value.as.text, "text");
      if (!text) return text.error();
      if (value.type == ANEAR_TYPE_STRING) return Value(std::string(*text));
      return Value(Json{std::string(*text)});
    }
    default:
      return list_of(value);
  }
}

namespace {

Result<Value> list_of(const anear_value& value) {
  if (value.type < ANEAR_TYPE_BOOL_LIST || value.type > ANEAR_TYPE_TIMESTAMP_LIST)
    return unknown_number("type of value", value.type);
  const anear_list& list = value.as.list;
  if (list.data == nullptr && list.size != 0)
    return invalid_argument("list: data is NULL, size is " + std::to_string(list.size));
  switch (value.type) {
    case ANEAR_TYPE_BOOL_LIST:
      return Value(entries_of<std::uint8_t>(list, [](std::uint8_t entry) { return entry != 0; }));
    case ANEAR_TYPE_INT64_LIST:
      return Value(entries_of<std::int64_t>(list, [](std::int64_t entry) { return entry; }));
    case ANEAR_TYPE_FLOAT64_LIST:
      return Value(entries_of<double>(list, [](double entry) { return entry; }));
    case ANEAR_TYPE_TIMESTAMP_LIST:
      return Value(
          entries_of<std::int64_t>(list, [](std::int64_t entry) { return Timestamp{entry}; }));
    default: {
      const auto views =
          views_of({static_cast<const anear_text*>(list.data), list.size}, "text of a list");
      if (!views) return views.error();
      return Value(std::vector<std::string>(views->begin(), views->end()));
    }
  }
}

}  // namespace

Result<MatrixView> matrix_of(const anear_matrix& matrix, const char* what) {
  ScalarKind kind = ScalarKind::kF32;
  if (Status status = set_scalar(matrix.scalar, what, kind); !status)
    return std::move(status).error();
  if (kind == ScalarKind::kI8)
    return invalid_argument(std::string(what) + " are f32 or f16", Subcode::kWrongType);
  if (matrix.dimension > kDimensionMax) {
    return invalid_argument(std::string(what) + " have dimension " +
                                std::to_string(matrix.dimension) + "; at most " +
                                std::to_string(kDimensionMax),
                            Subcode::kDimensionMismatch);
  }
  if (matrix.data == nullptr && matrix.rows != 0) return null_argument(std::string(what) + ".data");
  const std::size_t row_bytes = matrix.dimension * bytes_of(kind);
  const std::size_t stride = matrix.stride_bytes == 0 ? row_bytes : matrix.stride_bytes;
  if (matrix.rows > 1 && stride < row_bytes) {
    return invalid_argument(std::string(what) + ": stride_bytes is " + std::to_string(stride) +
                            ", a row has " + std::to_string(row_bytes));
  }
  return MatrixView(matrix.data, {matrix.rows, matrix.dimension}, kind, stride);
}

Result<FilterText> filter_of(const anear_filter* filter) {
  FilterText text;
  if (filter == nullptr) return text;
  text.text = or_empty(filter->text);
  const auto parameters = span_of(filter->parameters, filter->parameter_count, "parameters");
  if (!parameters) return parameters.error();
  for (const anear_parameter& parameter : *parameters) {
    if (parameter.name == nullptr) return null_argument("name of a parameter");
    auto value = value_of(parameter.value);
    if (!value) {
      return invalid_argument(
          "parameter '" + std::string(parameter.name) + "': " + value.error().message,
          Subcode::kFilterParameter);
    }
    text.parameters.push_back({parameter.name, std::move(*value)});
  }
  return text;
}

Result<std::size_t> threads_of(std::uint32_t threads) {
  if (threads == ANEAR_ALL_THREADS) return std::size_t{0};
  if (threads <= kThreadsMax) return std::size_t{threads == 0 ? 1 : threads};
  return invalid_argument("threads is " + std::to_string(threads) + "; at most " +
                          std::to_string(kThreadsMax) + ", or ANEAR_ALL_THREADS");
}

namespace {

Status add_vectors(OwnedBatch& owned, const anear_batch& given) {
  const auto columns = span_of(given.vectors, given.vector_count, "vectors");
  if (!columns) return columns.error();
  for (const anear_vector_column& column : *columns) {
    const auto rows = matrix_of(column.rows, "vectors");
    if (!rows) return rows.error();
    std::span<const std::uint8_t> present;
    if (column.present != nullptr) present = {column.present, given.count};
    owned.batch.vectors.push_back({or_empty(column.name), *rows, present});
  }
  return {};
}

Status add_fields(OwnedBatch& owned, const anear_batch& given) {
  const auto columns = span_of(given.fields, given.field_count, "fields");
  if (!columns) return columns.error();
  owned.values.reserve(columns->size());
  for (const anear_field_column& column : *columns) {
    if (column.name == nullptr) return null_argument("name of a field");
    const auto values = span_of(column.values, given.count, column.name);
    if (!values) return values.error();
    std::vector<Value>& converted = owned.values.emplace_back();
    converted.reserve(values->size());
    for (std::size_t i = 0; i < values->size(); ++i) {
      auto value = value_of((*values)[i]);
      if (!value) {
        Error error = std::move(value).error();
        error.message = "field '" + std::string(column.name) + "': " + error.message;
        return std::move(error).at_record(static_cast<std::int64_t>(i));
      }
      converted.push_back(std::move(*value));
    }
    owned.batch.fields.push_back({column.name, converted});
  }
  return {};
}

}  // namespace

Result<OwnedBatch> batch_of(const anear_batch* batch) {
  if (batch == nullptr) return null_argument("batch");
  const auto given = read_sized(batch, "anear_batch");
  if (!given) return given.error();
  if (Status status = check_flags(given->flags, 0, "flags of a batch"); !status)
    return std::move(status).error();
  const auto keys = span_of(given->keys, given->count, "keys");
  if (!keys) return keys.error();
  OwnedBatch owned;
  auto views = views_of(*keys, "key");
  if (!views) return std::move(views).error();
  owned.keys = std::move(*views);
  if (Status status = add_vectors(owned, *given); !status) return std::move(status).error();
  if (Status status = add_fields(owned, *given); !status) return std::move(status).error();
  if (given->payloads != nullptr) {
    auto payloads = views_of({given->payloads, given->count}, "payload");
    if (!payloads) return std::move(payloads).error();
    owned.payloads = std::move(*payloads);
  }
  // Vectors keep their memory when moved, so these views stay valid in the caller's copy.
  owned.batch.keys = owned.keys;
  owned.batch.payloads = owned.payloads;
  if (given->expected != nullptr) owned.batch.expected = {given->expected, given->count};
  return owned;
}

Result<Parts> parts_of(const PartsWanted& wanted, std::uint32_t known) {
  if (Status status = check_flags(wanted.parts, known, "parts"); !status)
    return std::move(status).error();
  const auto names = span_of(wanted.field_names, wanted.field_name_count, "field_names");
  if (!names) return names.error();
  Parts parts;
  parts.fields = (wanted.parts & ANEAR_WITH_FIELDS) != 0;
  parts.payload = (wanted.parts & ANEAR_WITH_PAYLOAD) != 0;
  parts.vectors = (wanted.parts & ANEAR_WITH_VECTORS) != 0;
  for (const char* name : *names) {
    if (name == nullptr) return null_argument("a field name");
    parts.field_names.emplace_back(name);
  }
  return parts;
}

Result<Query> query_of(const anear_query& query) {
  const auto key = view_of(query.key, "key");
  if (!key) return key.error();
  auto filter = filter_of(&query.filter);
  if (!filter) return std::move(filter).error();
  Query request;
  Leg leg;
  leg.vector = or_empty(query.vector);
  leg.key = *key;
  request.legs.push_back(std::move(leg));
  request.filter = std::move(*filter);
  set_number(query.k, request.k);
  set_number(query.recall, request.recall);
  request.effort = query.effort;
  request.explain = (query.parts & ANEAR_WITH_EXPLAIN) != 0;
  return request;
}

Result<Scan> scan_of(const anear_scan* scan) {
  const auto given = read_sized(scan, "anear_scan");
  if (!given) return given.error();
  auto filter = filter_of(&given->filter);
  if (!filter) return std::move(filter).error();
  const auto after = view_of(given->after, "after");
  if (!after) return after.error();
  auto parts =
      parts_of({given->parts, given->field_names, given->field_name_count}, kPartsOfRecords);
  if (!parts) return std::move(parts).error();
  Scan request;
  request.filter = std::move(*filter);
  request.after = *after;
  set_number(given->limit, request.limit);
  request.parts = std::move(*parts);
  return request;
}

}  // namespace anear::c
