// _core.Collection: the calls of a collection, straight on the C++ API. Inputs are converted with
// the GIL, calls run without it.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "anear/collection/collection.hpp"
#include "bindings.hpp"
#include "erase_values.hpp"
#include "numpy_views.hpp"
#include "progress_call.hpp"
#include "values.hpp"

namespace anear::python {
namespace {

using py::literals::operator""_a;

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

/// The one named vector; `advice` says what to do where there are several.
std::string only_vector(const CollectionSchema& schema, const char* advice) {
  if (schema.vectors.size() == 1) return schema.vectors.front().name;
  if (schema.vectors.empty())
    raise_invalid("the collection has no vectors", Subcode::kUnknownVector);
  raise_invalid(
      "the collection has " + std::to_string(schema.vectors.size()) + " named vectors: " + advice,
      Subcode::kUnknownVector);
}

/// The dimension of the named vector; raises for an unknown one.
std::size_t dimension_of(const CollectionSchema& schema, std::string_view name) {
  std::string known;
  for (const VectorSchema& vector : schema.vectors) {
    if (vector.name == name) return vector.dimension;
    known += (known.empty() ? "'" : ", '") + vector.name + "'";
  }
  raise_invalid("there is no vector '" + std::string(name) + "'; the collection has " +
                    (known.empty() ? "none" : known),
                Subcode::kUnknownVector);
}

/// The rows of one named vector, as they are given.
struct RowsGiven {
  std::string name;
  std::size_t keys;
  std::size_t dimension;

  std::string what() const { return "vectors['" + name + "']"; }
  std::string expected() const {
    return what() + ": expected shape (" + std::to_string(keys) + ", " + std::to_string(dimension) +
           ")";
  }
};

/// In a list of rows, the first one of another length is the bad record.
void check_lengths(const py::handle& rows, const RowsGiven& given) {
  if (!py::isinstance<py::list>(rows) && !py::isinstance<py::tuple>(rows)) return;
  std::int64_t record = 0;
  for (const py::handle row : rows) {
    const auto wrong = [&](const std::string& got) {
      raise(invalid_argument(given.what() + " of record " + std::to_string(record) + ": expected " +
                                 std::to_string(given.dimension) + " numbers, got " + got,
                             Subcode::kDimensionMismatch)
                .at_record(record));
    };
    if (py::hasattr(row, "__len__")) {
      const Py_ssize_t length = PyObject_Length(row.ptr());
      if (length < 0) {  // An array without dimensions.
        PyErr_Clear();
        wrong("one");
      }
      if (static_cast<std::size_t>(length) != given.dimension) wrong(std::to_string(length));
    }
    ++record;
  }
}

Matrix as_rows(const py::handle& rows, const RowsGiven& given) {
  check_lengths(rows, given);
  Matrix matrix = as_matrix(rows, given.what().c_str());
  if (matrix.view.rows() != given.keys) {
    raise_invalid(given.expected() + ", a row a key, got " + shape_of(matrix.array),
                  Subcode::kCountMismatch);
  }
  if (matrix.view.rows() != 0 && matrix.view.dimension() != given.dimension) {
    raise_invalid(given.expected() + ", got " + shape_of(matrix.array),
                  Subcode::kDimensionMismatch);
  }
  return matrix;
}

/// A list of rows may hold None: such a record gets no row.
void add_rows(OwnedBatch& owned, const py::handle& rows, const RowsGiven& given) {
  std::vector<std::uint8_t> present;
  py::object all = py::reinterpret_borrow<py::object>(rows);
  if (py::isinstance<py::list>(rows) || py::isinstance<py::tuple>(rows)) {
    for (const py::handle row : rows) present.push_back(row.is_none() ? 0 : 1);
  }
  if (std::find(present.begin(), present.end(), 0) == present.end()) {
    present.clear();
  } else {
    const py::object zeros = py::module_::import("numpy").attr("zeros")(given.dimension, "float32");
    py::list filled;
    for (const py::handle row : rows)
      filled.append(row.is_none() ? zeros : py::reinterpret_borrow<py::object>(row));
    all = filled;
  }
  owned.matrices.push_back(as_rows(all, given));
  owned.present.push_back(std::move(present));
}

void add_vectors(OwnedBatch& owned, const CollectionSchema& schema, const py::object& vectors) {
  if (vectors.is_none()) return;
  const auto add = [&](std::string name, const py::handle& rows) {
    add_rows(owned, rows, {name, owned.keys.views.size(), dimension_of(schema, name)});
    owned.names.push_back(std::move(name));
  };
  if (!py::isinstance<py::dict>(vectors)) {
    add(only_vector(schema, "pass a dict of name and matrix"), vectors);
    return;
  }
  for (const auto& [name, rows] : py::reinterpret_borrow<py::dict>(vectors))
    add(as_name(name, "vectors"), rows);
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
      as_name(name, "fields", static_cast<std::int64_t>(record));
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
    owned.names.push_back(as_name(name, "fields"));
    const std::string& field = owned.names.back();
    owned.values.push_back(as_column(values, {field, type_of(schema, field)}));
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
  const FilterText text = as_filter(filter, params);
  if (keys.is_none()) {
    return unwrap(without_gil([&] { return collection.delete_matching(text); }));
  }
  const Texts texts = as_texts(keys, "keys");
  return unwrap(without_gil([&] { return collection.delete_keys(texts.views); }));
}

// NOLINTNEXTLINE(readability-function-size): as anear/_collection.py passes them.
py::dict erase(Collection& collection, const py::object& keys, const py::object& filter,
               const py::object& params, std::uint32_t wait_ms, bool lost_copies,
               const py::object& progress) {
  if (keys.is_none() == filter.is_none())
    raise_invalid("erase: pass either keys or filter=", Subcode::kNone);
  const FilterText text = as_filter(filter, params);
  const Texts texts = keys.is_none() ? Texts{} : as_texts(keys, "keys");
  return receipt_to_python(with_progress(progress, [&](const ProgressCallback& callback) {
    const EraseOptions options = as_erase_options(wait_ms, lost_copies, callback);
    return keys.is_none() ? collection.erase_matching(text, options)
                          : collection.erase_keys(texts.views, options);
  }));
}

py::list get(const Collection& collection, const py::object& keys, const Parts& parts) {
  const Texts texts = as_texts(keys, "keys");
  auto records = unwrap(without_gil([&] { return collection.get(texts.views, parts); }));
  py::list list;
  for (std::optional<Record>& record : records) {
    if (record)
      list.append(py::cast(std::move(*record)));
    else
      list.append(py::none());
  }
  return list;
}

py::list scan_page(const Collection& collection, const py::object& filter, const py::object& params,
                   const std::string& after, std::size_t limit, const Parts& parts) {
  Scan scan;
  scan.filter = as_filter(filter, params);
  scan.after = after;
  scan.limit = limit;
  scan.parts = parts;
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

/// What search() and search_batch() have in common.
Query as_query(std::size_t k, const std::string& vector, const py::object& filter,
               const py::object& params, const std::pair<float, std::size_t>& quality) {
  Query query;
  Leg leg;
  leg.vector = vector;
  query.legs.push_back(std::move(leg));
  query.filter = as_filter(filter, params);
  query.k = k;
  std::tie(query.recall, query.effort) = quality;
  return query;
}

/// The name of the vector that is searched.
std::string searched(const CollectionSchema& schema, const std::string& vector) {
  return vector.empty() ? only_vector(schema, "say which one by vector=") : vector;
}

void check_queries(const CollectionSchema& schema, const std::string& vector, const Matrix& matrix,
                   const char* rows) {
  const std::size_t dimension = dimension_of(schema, searched(schema, vector));
  if (matrix.view.rows() == 0 || matrix.view.dimension() == dimension) return;
  raise_invalid(std::string("query: expected shape (") + rows + std::to_string(dimension) +
                    (*rows == '\0' ? ",)" : ")") + ", got " + shape_of(matrix.array),
                Subcode::kDimensionMismatch);
}

Hits search(const Collection& collection, const py::object& given, std::size_t k,
            const py::object& key, const std::string& vector, const py::object& filter,
            const py::object& params, const std::pair<float, std::size_t>& quality,
            const Parts& parts, bool explain) {
  Query query = as_query(k, vector, filter, params, quality);
  std::optional<Matrix> matrix;
  if (key.is_none()) {
    matrix = as_matrix(given, "query");
    if (matrix->view.rows() != 1) {
      raise_invalid("query: search takes one vector, got shape " + shape_of(matrix->array) +
                        "; use search_batch for several",
                    Subcode::kCountMismatch);
    }
    check_queries(collection.schema(), vector, *matrix, "");
    query.legs.front().query = matrix->view.row(0);
  } else {
    query.legs.front().key = as_texts(py::make_tuple(key), "key").views.front();
    if (query.legs.front().key.empty()) raise_invalid("key: a key is empty", Subcode::kKeyInvalid);
  }
  query.parts = parts;
  query.explain = explain;
  return unwrap(without_gil([&] { return collection.search(query); }));
}

py::object search_batch(const Collection& collection, const py::object& queries, std::size_t k,
                        std::size_t threads, const std::string& vector, const py::object& filter,
                        const py::object& params, const std::pair<float, std::size_t>& quality) {
  const Matrix matrix = as_matrix(queries, "queries");
  check_queries(collection.schema(), vector, matrix, "queries, ");
  const Query query = as_query(k, vector, filter, params, quality);
  return as_object(
      unwrap(without_gil([&] { return collection.search_batch(matrix.view, query, threads); })));
}

py::dict stats(const Collection& collection) {
  const CollectionStats stats = unwrap(without_gil([&] { return collection.stats(); }));
  return py::dict("records"_a = stats.records, "last_sequence"_a = stats.last_sequence,
                  "indexed_sequence"_a = stats.indexed_sequence,
                  "tail_records"_a = stats.tail_records, "stalls"_a = stats.stalls,
                  "slots"_a = stats.slots, "memory_bytes"_a = stats.memory_bytes,
                  "image_bytes"_a = stats.image_bytes, "image_sequence"_a = stats.image_sequence,
                  "erasing"_a = stats.erasing, "damaged_files"_a = stats.damaged_files,
                  "degraded"_a = stats.degraded, "reason"_a = stats.reason);
}

/// The options of an index by the names that anear/_schema.py gives them.
struct IndexDescriber {
  py::dict operator()(const FlatOptions&) const { return py::dict("kind"_a = "flat"); }
  py::dict operator()(const HnswOptions& options) const {
    return py::dict("kind"_a = "hnsw", "links"_a = options.links_max,
                    "ef_construction"_a = options.ef_construction,
                    "codes"_a = name_of(options.codes), "seed"_a = options.seed);
  }
  py::dict operator()(const IvfPqOptions& options) const {
    return py::dict("kind"_a = "ivf_pq", "lists"_a = options.lists,
                    "subspaces"_a = options.subspaces, "rotate"_a = options.rotate,
                    "iterations"_a = options.iterations, "train_from"_a = options.train_from,
                    "seed"_a = options.seed);
  }

  static const char* name_of(ScalarKind kind) {
    return kind == ScalarKind::kF32 ? "f32" : kind == ScalarKind::kF16 ? "f16" : "i8";
  }
};

/// As anear/_schema.py describes schemas to create_collection().
py::tuple describe(const Collection& collection) {
  const CollectionSchema& schema = collection.schema();
  py::list vectors;
  for (const VectorSchema& vector : schema.vectors) {
    const char* metric = vector.metric == Metric::kCosine ? "cosine"
                         : vector.metric == Metric::kL2   ? "l2"
                                                          : "ip";
    vectors.append(py::dict("name"_a = vector.name, "dimension"_a = vector.dimension,
                            "metric"_a = metric, "dtype"_a = IndexDescriber::name_of(vector.kind),
                            "index"_a = std::visit(IndexDescriber{}, vector.index)));
  }
  py::list fields;
  for (const FieldSchema& field : schema.fields)
    fields.append(py::make_tuple(field.name, static_cast<int>(field.type)));
  return py::make_tuple(vectors, fields, schema.dynamic);
}

}  // namespace

// Positional throughout: anear/_collection.py is the only caller and has the names, the defaults
// and the documentation.
void bind_collection(py::module_& module) {
  py::class_<Parts>(module, "Parts").def(py::init(&as_parts));
  py::class_<Collection>(module, "Collection")
      .def("name", &Collection::name)
      .def("describe", &describe)
      .def("upsert", &upsert)
      .def("update", &update)
      .def("delete", &delete_records)
      .def("erase", &erase)
      .def("get", &get)
      .def("scan_page", &scan_page)
      .def("count", &count)
      .def("search", &search)
      .def("search_batch", &search_batch)
      .def("pinned",
           [](const Collection& collection) {
             return unwrap(without_gil([&] { return collection.pinned(); }));
           })
      .def("flush",
           [](Collection& collection) { unwrap(without_gil([&] { return collection.flush(); })); })
      .def("stats", &stats);
}

}  // namespace anear::python
