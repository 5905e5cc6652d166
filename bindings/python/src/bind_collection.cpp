// _core.Collection: the calls of a collection, straight on the C++ API. Inputs are converted with
// the GIL, calls run without it.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anear/collection/collection.hpp"
#include "bindings.hpp"
#include "numpy_views.hpp"
#include "values.hpp"

namespace anear::python {
namespace {

/// A RecordBatch and everything it borrows.
struct OwnedBatch {
  Texts keys;
  std::vector<std::string> names;
  std::vector<Matrix> matrices;
  std::vector<std::vector<std::uint8_t>> present;
  std::vector<std::vector<Value>> values;
  Texts payloads;
  std::vector<Sequence> expected;
  RecordBatch batch;
};

std::string only_vector(const CollectionSchema& schema) {
  if (schema.vectors.size() == 1) return schema.vectors.front().name;
  raise_invalid("the collection has " + std::to_string(schema.vectors.size()) +
                    " named vectors: pass a dict of name and matrix, or vector=",
                Subcode::kUnknownVector);
}

/// A list of rows in which some are None: the others as a matrix, and which are present.
void add_rows(OwnedBatch& owned, const py::handle& rows) {
  std::vector<std::uint8_t> present;
  if (py::isinstance<py::list>(rows) || py::isinstance<py::tuple>(rows)) {
    std::size_t absent = 0;
    py::object sample = py::none();
    for (const py::handle row : rows) {
      present.push_back(row.is_none() ? 0 : 1);
      if (row.is_none())
        ++absent;
      else
        sample = py::reinterpret_borrow<py::object>(row);
    }
    if (absent != 0 && !sample.is_none()) {
      const py::object zeros =
          py::module_::import("numpy").attr("zeros_like")(sample, py::arg("dtype") = "float32");
      py::list filled;
      for (const py::handle row : rows)
        filled.append(row.is_none() ? zeros : py::reinterpret_borrow<py::object>(row));
      owned.matrices.push_back(as_matrix(filled, "vectors"));
      owned.present.push_back(std::move(present));
      return;
    }
  }
  owned.matrices.push_back(as_matrix(rows, "vectors"));
  owned.present.emplace_back();
}

void add_vectors(OwnedBatch& owned, const CollectionSchema& schema, const py::object& vectors) {
  if (vectors.is_none()) return;
  if (!py::isinstance<py::dict>(vectors)) {
    owned.names.push_back(only_vector(schema));
    add_rows(owned, vectors);
    return;
  }
  for (const auto& [name, rows] : py::reinterpret_borrow<py::dict>(vectors)) {
    owned.names.push_back(py::str(name));
    add_rows(owned, rows);
  }
}

/// fields={"name": [one value a key], …}, or one dict a key.
py::dict columns_of(const py::object& fields, std::size_t count) {
  if (py::isinstance<py::dict>(fields)) return py::reinterpret_borrow<py::dict>(fields);
  if (!py::isinstance<py::iterable>(fields) || py::isinstance<py::str>(fields)) {
    raise_invalid("fields: expected a dict of lists (one value a key) or a list of dicts");
  }
  py::dict columns;
  std::size_t record = 0;
  for (const py::handle each : fields) {
    if (!py::isinstance<py::dict>(each)) {
      raise(invalid_argument("fields: expected one dict a key", Subcode::kWrongType)
                .at_record(static_cast<std::int64_t>(record)));
    }
    for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(each)) {
      if (!columns.contains(name)) {
        py::list column;
        for (std::size_t i = 0; i < count; ++i) column.append(missing());
        columns[name] = column;
      }
      if (record < count) columns[name].cast<py::list>()[record] = value;
    }
    ++record;
  }
  if (record != count) {
    raise_invalid(
        "fields: " + std::to_string(record) + " dicts for " + std::to_string(count) + " keys",
        Subcode::kCountMismatch);
  }
  return columns;
}

void add_fields(OwnedBatch& owned, const CollectionSchema& schema, const py::object& fields) {
  if (fields.is_none()) return;
  for (const auto& [name, values] : columns_of(fields, owned.keys.views.size())) {
    owned.names.push_back(py::str(name));
    owned.values.push_back(as_column(values, type_of(schema, owned.names.back())));
  }
}

OwnedBatch as_batch(const CollectionSchema& schema, const py::object& keys,
                    const py::object& vectors, const py::object& fields, const py::object& payloads,
                    const py::object& expected) {
  OwnedBatch owned;
  owned.keys = as_texts(keys, "keys");
  add_vectors(owned, schema, vectors);
  add_fields(owned, schema, fields);
  if (!payloads.is_none()) owned.payloads = as_texts(payloads, "payloads", true);
  if (!expected.is_none()) owned.expected = expected.cast<std::vector<Sequence>>();

  RecordBatch& batch = owned.batch;
  batch.keys = owned.keys.views;
  std::size_t name = 0;
  for (std::size_t i = 0; i < owned.matrices.size(); ++i) {
    batch.vectors.push_back({owned.names[name++], owned.matrices[i].view, owned.present[i]});
  }
  for (const std::vector<Value>& column : owned.values)
    batch.fields.push_back({owned.names[name++], column});
  if (!payloads.is_none()) batch.payloads = owned.payloads.views;
  batch.expected = owned.expected;
  return owned;
}

Sequence upsert(Collection& collection, const py::object& keys, const py::object& vectors,
                const py::object& fields, const py::object& payloads, const py::object& expected) {
  const OwnedBatch owned = as_batch(collection.schema(), keys, vectors, fields, payloads, expected);
  return unwrap(without_gil([&] { return collection.upsert(owned.batch); }));
}

Sequence update(Collection& collection, const py::object& keys, const py::object& vectors,
                const py::object& fields, const py::object& payloads, const py::object& expected) {
  const OwnedBatch owned = as_batch(collection.schema(), keys, vectors, fields, payloads, expected);
  return unwrap(without_gil([&] { return collection.update(owned.batch); }));
}

std::size_t delete_records(Collection& collection, const py::object& keys, const py::object& filter,
                           const py::object& params) {
  if (keys.is_none() == filter.is_none())
    raise_invalid("delete: pass either keys or filter=", Subcode::kNone);
  if (keys.is_none()) {
    const FilterText text = as_filter(filter, params);
    return unwrap(without_gil([&] { return collection.delete_matching(text); }));
  }
  const bool one = py::isinstance<py::str>(keys);
  const Texts texts = as_texts(one ? py::object(py::make_tuple(keys)) : keys, "keys");
  return unwrap(without_gil([&] { return collection.delete_keys(texts.views); }));
}

py::object get(const Collection& collection, const py::object& keys, const py::object& fields,
               bool with_vectors, bool with_payload) {
  const bool one = py::isinstance<py::str>(keys);
  const Texts texts = as_texts(one ? py::object(py::make_tuple(keys)) : keys, "keys");
  Parts parts;
  set_fields(parts, fields);
  parts.payload = with_payload;
  parts.vectors = with_vectors;
  auto records = unwrap(without_gil([&] { return collection.get(texts.views, parts); }));
  py::list list;
  for (std::optional<Record>& record : records) {
    if (record)
      list.append(py::cast(std::move(*record)));
    else
      list.append(py::none());
  }
  return one ? py::object(list[0]) : std::move(list);
}

py::list scan_page(const Collection& collection, const py::object& filter, const py::object& params,
                   const std::string& after, std::size_t limit, const py::dict& parts) {
  Scan scan;
  scan.filter = as_filter(filter, params);
  scan.after = after;
  scan.limit = limit;
  set_fields(scan.parts, parts["fields"]);
  scan.parts.payload = parts["payload"].cast<bool>();
  scan.parts.vectors = parts["vectors"].cast<bool>();
  auto records = unwrap(without_gil([&] { return collection.scan(scan); }));
  py::list list;
  for (Record& record : records) list.append(py::cast(std::move(record)));
  return list;
}

std::size_t count(const Collection& collection, const py::object& filter,
                  const py::object& params) {
  const FilterText text = as_filter(filter, params);
  return unwrap(without_gil([&] { return collection.count(text); }));
}

Hits search(const Collection& collection, const py::object& query, std::size_t k,
            const py::object& key, const std::string& vector, const py::object& filter,
            const py::object& params, float recall, std::size_t effort, const py::object& fields,
            bool payload, bool vectors, bool explain) {
  if (query.is_none() == key.is_none())
    raise_invalid("search: pass either a query vector or key=", Subcode::kNone);
  Query request;
  Leg leg;
  leg.vector = vector;
  std::optional<Matrix> matrix;
  if (key.is_none()) {
    matrix = as_matrix(query, "query");
    if (matrix->view.rows() != 1) {
      raise_invalid("search takes one query vector, got " + std::to_string(matrix->view.rows()) +
                        "; use search_batch",
                    Subcode::kCountMismatch);
    }
    leg.query = matrix->view.row(0);
  } else {
    leg.key = as_texts(py::make_tuple(key), "key").views.front();
  }
  request.legs.push_back(std::move(leg));
  if (!filter.is_none() || !params.is_none()) request.filter = as_filter(filter, params);
  request.k = k;
  request.recall = recall;
  request.effort = effort;
  set_fields(request.parts, fields);
  request.parts.payload = payload;
  request.parts.vectors = vectors;
  request.explain = explain;
  return unwrap(without_gil([&] { return collection.search(request); }));
}

BatchHits search_batch(const Collection& collection, const py::object& queries, std::size_t k,
                       std::size_t threads, const std::string& vector, const py::object& filter,
                       const py::object& params, float recall, std::size_t effort) {
  const Matrix matrix = as_matrix(queries, "queries");
  Query request;
  Leg leg;
  leg.vector = vector;
  request.legs.push_back(std::move(leg));
  request.filter = as_filter(filter, params);
  request.k = k;
  request.recall = recall;
  request.effort = effort;
  return unwrap(
      without_gil([&] { return collection.search_batch(matrix.view, request, threads); }));
}

py::dict stats(const Collection& collection) {
  using py::literals::operator""_a;
  const CollectionStats stats = unwrap(without_gil([&] { return collection.stats(); }));
  return py::dict("records"_a = stats.records, "last_sequence"_a = stats.last_sequence,
                  "indexed_sequence"_a = stats.indexed_sequence,
                  "tail_records"_a = stats.tail_records, "stalls"_a = stats.stalls,
                  "slots"_a = stats.slots, "memory_bytes"_a = stats.memory_bytes,
                  "image_bytes"_a = stats.image_bytes, "image_sequence"_a = stats.image_sequence,
                  "degraded"_a = stats.degraded, "reason"_a = stats.reason);
}

const char* text_of(Metric metric) {
  return metric == Metric::kCosine ? "cosine" : metric == Metric::kL2 ? "l2" : "ip";
}

py::dict schema(const Collection& collection) {
  using py::literals::operator""_a;
  py::dict vectors;
  for (const VectorSchema& vector : collection.schema().vectors) {
    vectors[py::str(vector.name)] = py::dict(
        "dimension"_a = vector.dimension, "metric"_a = text_of(vector.metric),
        "dtype"_a = vector.kind == ScalarKind::kF16 ? "f16" : "f32",
        "index"_a = std::array<const char*, 3>{"flat", "hnsw", "ivf_pq"}[vector.index.index()]);
  }
  py::dict fields;
  for (const FieldSchema& field : collection.schema().fields)
    fields[py::str(field.name)] = name_of(field.type);
  return py::dict("vectors"_a = vectors, "fields"_a = fields,
                  "dynamic"_a = collection.schema().dynamic);
}

}  // namespace

void bind_collection(py::module_& module) {
  using py::arg;
  const py::object none = py::none();
  py::class_<Collection>(module, "Collection")
      .def_property_readonly("name", &Collection::name)
      .def_property_readonly("schema", &schema)
      .def("upsert", &upsert, arg("keys"), arg("vectors") = none, arg("fields") = none,
           arg("payloads") = none, py::kw_only(), arg("expected") = none)
      .def("update", &update, arg("keys"), arg("vectors") = none, arg("fields") = none,
           arg("payloads") = none, py::kw_only(), arg("expected") = none)
      .def("delete", &delete_records, arg("keys") = none, py::kw_only(), arg("filter") = none,
           arg("params") = none)
      .def("get", &get, arg("keys"), py::kw_only(), arg("fields") = true,
           arg("with_vectors") = false, arg("with_payload") = true)
      .def("_scan_page", &scan_page)
      .def("count", &count, arg("filter") = none, arg("params") = none)
      .def("search", &search, arg("query") = none, arg("k") = 10, py::kw_only(), arg("key") = none,
           arg("vector") = "", arg("filter") = none, arg("params") = none, arg("recall") = 0.95F,
           arg("effort") = 0, arg("fields") = true, arg("payload") = false, arg("vectors") = false,
           arg("explain") = false)
      .def("search_batch", &search_batch, arg("queries"), arg("k") = 10, py::kw_only(),
           arg("threads") = 1, arg("vector") = "", arg("filter") = none, arg("params") = none,
           arg("recall") = 0.95F, arg("effort") = 0)
      .def("flush",
           [](Collection& collection) { unwrap(without_gil([&] { return collection.flush(); })); })
      .def("stats", &stats)
      .def("__repr__",
           [](const Collection& collection) { return "Collection('" + collection.name() + "')"; });
}

}  // namespace anear::python
