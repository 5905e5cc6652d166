#include <string>

#include "handles.hpp"

namespace anear::c {
namespace {

anear_text text_of(const std::string& text) { return {text.data(), text.size()}; }

anear_value value_of_type(FieldType type) {
  return anear_value_of(static_cast<std::int32_t>(type));
}

}  // namespace

void RecordViews::reserve(std::size_t count) { records_.reserve(count); }

const anear_record* RecordViews::add(const Record& record) {
  std::vector<anear_field>& fields = fields_.emplace_back();
  fields.reserve(record.fields.size());
  for (const auto& [name, value] : record.fields) fields.push_back({name.c_str(), view_of(value)});
  std::vector<anear_named_vector>& vectors = vectors_.emplace_back();
  vectors.reserve(record.vectors.size());
  for (const StoredVector& vector : record.vectors) {
    const VectorView row = vector.view();
    vectors.push_back(
        {vector.name.c_str(),
         {row.data(), 1, row.dimension(), row.bytes(), static_cast<std::int32_t>(row.kind()) + 1}});
  }
  anear_record& view = records_.emplace_back();
  view.struct_size = sizeof view;
  view.key = text_of(record.key);
  view.sequence = record.sequence;
  view.created = record.created;
  view.updated = record.updated;
  view.payload = text_of(record.payload);
  view.fields = fields.data();
  view.field_count = fields.size();
  view.vectors = vectors.data();
  view.vector_count = vectors.size();
  return &view;
}

anear_value RecordViews::view_of(const Value& value) {
  anear_value view = value_of_type(type_of(value));
  if (std::holds_alternative<Null>(value)) view.type = ANEAR_TYPE_NULL;
  if (const auto* boolean = std::get_if<bool>(&value)) view.as.boolean = *boolean ? 1 : 0;
  if (const auto* number = std::get_if<std::int64_t>(&value)) view.as.int64 = *number;
  if (const auto* number = std::get_if<double>(&value)) view.as.float64 = *number;
  if (const auto* text = std::get_if<std::string>(&value)) view.as.text = text_of(*text);
  if (const auto* json = std::get_if<Json>(&value)) view.as.text = text_of(json->text);
  if (const auto* moment = std::get_if<Timestamp>(&value)) view.as.int64 = moment->micros;
  if (view.type >= ANEAR_TYPE_BOOL_LIST && view.type <= ANEAR_TYPE_TIMESTAMP_LIST)
    view.as.list = list_of(value);
  return view;
}

anear_list RecordViews::list_of(const Value& value) {
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value))
    return {numbers->data(), numbers->size()};
  if (const auto* numbers = std::get_if<std::vector<double>>(&value))
    return {numbers->data(), numbers->size()};
  if (const auto* bools = std::get_if<std::vector<bool>>(&value)) {
    const auto& copy = bools_.emplace_back(bools->begin(), bools->end());
    return {copy.data(), copy.size()};
  }
  if (const auto* moments = std::get_if<std::vector<Timestamp>>(&value)) {
    std::vector<std::int64_t>& copy = moments_.emplace_back();
    for (const Timestamp moment : *moments) copy.push_back(moment.micros);
    return {copy.data(), copy.size()};
  }
  std::vector<anear_text>& copy = texts_.emplace_back();
  for (const std::string& text : std::get<std::vector<std::string>>(value))
    copy.push_back(text_of(text));
  return {copy.data(), copy.size()};
}

SchemaView::SchemaView(const CollectionSchema& schema) {
  for (const VectorSchema& vector : schema.vectors) {
    anear_index_options& index = indexes_.emplace_back();
    index.struct_size = sizeof index;
    index.kind = static_cast<std::int32_t>(vector.index.index()) + 1;
    index.metric = static_cast<std::int32_t>(vector.metric) + 1;
    index.dimension = vector.dimension;
    index.rows = static_cast<std::int32_t>(vector.kind) + 1;
    if (const auto* hnsw = std::get_if<HnswOptions>(&vector.index)) {
      index.codes = static_cast<std::int32_t>(hnsw->codes) + 1;
      index.links_max = hnsw->links_max;
      index.ef_construction = hnsw->ef_construction;
      index.seed = hnsw->seed;
    }
    if (const auto* ivf = std::get_if<IvfPqOptions>(&vector.index)) {
      index.flags = ivf->rotate ? 0 : ANEAR_INDEX_NO_ROTATION;
      index.lists = ivf->lists;
      index.subspaces = ivf->subspaces;
      index.iterations = ivf->iterations;
      index.train_from = ivf->train_from;
      index.seed = ivf->seed;
    }
    vectors_.push_back({vector.name.c_str(), &index});
  }
  for (const FieldSchema& field : schema.fields)
    fields_.push_back({field.name.c_str(), static_cast<std::int32_t>(field.type), 0});
  schema_ = {sizeof schema_,  schema.dynamic ? ANEAR_SCHEMA_DYNAMIC : 0,
             vectors_.data(), vectors_.size(),
             fields_.data(),  fields_.size()};
}

}  // namespace anear::c
