// Options and schemas as a C caller hands them in.
#include <initializer_list>
#include <limits>
#include <string>
#include <utility>

#include "guard.hpp"
#include "inputs.hpp"
#include "sized.hpp"

namespace anear::c {
namespace {

static_assert(ANEAR_METRIC_L2 - 1 == static_cast<int>(Metric::kL2));
static_assert(ANEAR_METRIC_INNER_PRODUCT - 1 == static_cast<int>(Metric::kInnerProduct));
static_assert(ANEAR_METRIC_COSINE - 1 == static_cast<int>(Metric::kCosine));

/// 0 leaves `to` as it is.
Status set_metric(std::int32_t number, Metric& to) {
  if (number < 0 || number > ANEAR_METRIC_COSINE) return unknown_number("metric", number);
  if (number != 0) to = static_cast<Metric>(number - 1);
  return {};
}

/// An option that is a size_t to C.
struct SmallNumber {
  std::size_t given;
  const char* name;
  std::uint32_t* to;  ///< Left as it is for 0.
};

}  // namespace

Result<StoreOptions> store_options_of(const anear_store_options* options) {
  const auto given = read_sized(options, "anear_store_options");
  if (!given) return given.error();
  constexpr std::uint32_t kKnown = ANEAR_STORE_MUST_EXIST | ANEAR_STORE_READ_ONLY |
                                   ANEAR_STORE_BUFFERED | ANEAR_STORE_IN_MEMORY |
                                   ANEAR_STORE_INDEX_INLINE | ANEAR_STORE_COPY_FILES |
                                   ANEAR_STORE_NO_RESERVE;
  if (Status status = check_flags(given->flags, kKnown, "flags of a store"); !status)
    return std::move(status).error();
  StoreOptions store;
  store.create_if_missing = (given->flags & ANEAR_STORE_MUST_EXIST) == 0;
  store.read_only = (given->flags & ANEAR_STORE_READ_ONLY) != 0;
  store.in_memory = (given->flags & ANEAR_STORE_IN_MEMORY) != 0;
  store.index_inline = (given->flags & ANEAR_STORE_INDEX_INLINE) != 0;
  store.copy_files = (given->flags & ANEAR_STORE_COPY_FILES) != 0;
  if ((given->flags & ANEAR_STORE_BUFFERED) != 0) store.durability = Durability::kBuffered;
  set_number(given->tail_records_max, store.tail_records_max);
  if (given->reserved_bytes != 0) store.reserved_bytes = given->reserved_bytes;
  if ((given->flags & ANEAR_STORE_NO_RESERVE) != 0) store.reserved_bytes = 0;
  store.memory_bytes_max = given->memory_bytes_max;
  set_number(given->checked_at_open_bytes, store.checked_at_open_bytes);
  store.log = {given->log, given->log_context};
  store.scrub_bytes_per_second = given->scrub_bytes_per_second;
  store.background_bytes_per_second = given->background_bytes_per_second;
  const bool pins_end = given->pinned_seconds_max != std::numeric_limits<std::size_t>::max();
  for (const auto& [number, name, to] : std::initializer_list<SmallNumber>{
           {given->follow_every_ms, "follow_every_ms", &store.follow_every_ms},
           {given->scrub_every_s, "scrub_every_s", &store.scrub_every_s},
           {given->background_threads, "background_threads", &store.background_threads},
           {pins_end ? given->pinned_seconds_max : 0, "pinned_seconds_max",
            &store.pinned_seconds_max}}) {
    if (number > std::numeric_limits<std::uint32_t>::max())
      return invalid_argument(std::string(name) + " is " + std::to_string(number) +
                              "; it must be below 2^32");
    set_number(static_cast<std::uint32_t>(number), *to);
  }
  if (!pins_end) store.pinned_seconds_max = 0;
  return store;
}

namespace {

Result<HnswOptions> hnsw_of(const anear_index_options& given) {
  HnswOptions hnsw;
  if (Status status = set_scalar(given.codes, "kind of codes", hnsw.codes); !status)
    return std::move(status).error();
  set_number(given.links_max, hnsw.links_max);
  set_number(given.ef_construction, hnsw.ef_construction);
  set_number(given.seed, hnsw.seed);
  return hnsw;
}

IvfPqOptions ivf_pq_of(const anear_index_options& given) {
  IvfPqOptions ivf;
  ivf.lists = given.lists;
  ivf.subspaces = given.subspaces;
  ivf.rotate = (given.flags & ANEAR_INDEX_NO_ROTATION) == 0;
  set_number(given.iterations, ivf.iterations);
  set_number(given.train_from, ivf.train_from);
  set_number(given.seed, ivf.seed);
  return ivf;
}

}  // namespace

Result<VectorSchema> vector_schema_of(const anear_index_options* options) {
  if (options == nullptr) return null_argument("options of an index");
  const auto given = read_sized(options, "anear_index_options");
  if (!given) return given.error();
  Status status = check_flags(given->flags, ANEAR_INDEX_NO_ROTATION, "flags of an index");
  VectorSchema schema;
  if (status) status = set_metric(given->metric, schema.metric);
  if (status) status = set_scalar(given->rows, "kind of rows", schema.kind);
  if (!status) return std::move(status).error();
  schema.dimension = given->dimension;
  const auto with_rows = [&](auto index) {
    index.metric = schema.metric;
    index.rows = schema.kind;
    return index;
  };
  switch (given->kind) {
    case ANEAR_INDEX_FLAT:
      schema.index = with_rows(FlatOptions{});
      return schema;
    case 0:
    case ANEAR_INDEX_HNSW: {
      const auto hnsw = hnsw_of(*given);
      if (!hnsw) return hnsw.error();
      schema.index = with_rows(*hnsw);
      return schema;
    }
    case ANEAR_INDEX_IVF_PQ:
      schema.index = with_rows(ivf_pq_of(*given));
      return schema;
    default:
      return unknown_number("kind of index", given->kind);
  }
}

Result<CollectionSchema> schema_of(const anear_schema* schema) {
  if (schema == nullptr) return null_argument("schema");
  const auto given = read_sized(schema, "anear_schema");
  if (!given) return given.error();
  if (Status status = check_flags(given->flags, ANEAR_SCHEMA_DYNAMIC, "flags of a schema"); !status)
    return std::move(status).error();
  const auto vectors = span_of(given->vectors, given->vector_count, "vectors");
  if (!vectors) return vectors.error();
  const auto fields = span_of(given->fields, given->field_count, "fields");
  if (!fields) return fields.error();
  CollectionSchema result;
  result.dynamic = (given->flags & ANEAR_SCHEMA_DYNAMIC) != 0;
  for (const anear_vector_schema& vector : *vectors) {
    if (vector.name == nullptr) return null_argument("name of a vector");
    auto converted = vector_schema_of(vector.index);
    if (!converted) return std::move(converted).error();
    converted->name = vector.name;
    result.vectors.push_back(std::move(*converted));
  }
  for (const anear_field_schema& field : *fields) {
    if (field.name == nullptr) return null_argument("name of a field");
    if (field.type < ANEAR_TYPE_BOOL || field.type > ANEAR_TYPE_JSON)
      return unknown_number("type of field", field.type);
    if (Status status = check_flags(field.flags, 0, "flags of a field"); !status)
      return std::move(status).error();
    result.fields.push_back({field.name, static_cast<FieldType>(field.type)});
  }
  return result;
}

}  // namespace anear::c
