// What comes out of a collection: records, hits, batches of hits, explanations.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "anear/collection/records.hpp"
#include "bindings.hpp"
#include "numpy_views.hpp"
#include "values.hpp"

namespace anear::python {
namespace {

py::dict vectors_of(const Record& record) {
  py::dict vectors;
  for (const StoredVector& vector : record.vectors)
    vectors[py::str(vector.name)] = to_array(vector.view());
  return vectors;
}

py::object moment_of(std::int64_t micros) { return to_python(Value{Timestamp{micros}}); }

std::string text_of(const Record& record) {
  return "Record(key=" + std::string(py::repr(py::str(record.key))) +
         ", fields=" + std::string(py::repr(to_python(record.fields))) + ")";
}

std::string text_of(const Hit& hit) {
  return "Hit(key=" + std::string(py::repr(py::str(hit.record.key))) +
         ", distance=" + std::string(py::repr(py::float_(hit.distance))) + ")";
}

const Hit& at(const Hits& hits, py::ssize_t index) {
  const auto size = static_cast<py::ssize_t>(hits.hits.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size)
    throw py::index_error("hit " + std::to_string(index) + " of " + std::to_string(size));
  return hits.hits[static_cast<std::size_t>(index)];
}

/// The payload as text; raises UnicodeDecodeError when it is none.
py::str text_payload(const Record& record) {
  PyObject* text = PyUnicode_DecodeUTF8(record.payload.data(),
                                        static_cast<Py_ssize_t>(record.payload.size()), "strict");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

/// Rectangles are made once, since callers index into them in loops.
struct BatchOfHits {
  explicit BatchOfHits(const BatchHits& batch)
      : k(batch.k),
        sequence(batch.sequence),
        found(static_cast<py::ssize_t>(batch.found.size())),
        distances({batch.found.size(), batch.k}) {
    std::copy(batch.found.begin(), batch.found.end(), found.mutable_data());
    std::copy(batch.distances.begin(), batch.distances.end(), distances.mutable_data());
    for (std::size_t row = 0; row < batch.found.size(); ++row) {
      py::list row_keys;
      for (std::size_t i = 0; i < batch.found[row]; ++i)
        row_keys.append(py::str(batch.keys[row * batch.k + i]));
      keys.append(std::move(row_keys));
    }
  }

  std::size_t k;
  Sequence sequence;
  py::list keys;
  py::array_t<std::uint32_t> found;
  py::array_t<float> distances;
};

py::dict explanation_of(const Explain& explain) {
  using py::literals::operator""_a;
  return py::dict(
      "plan"_a = explain.plan, "live"_a = explain.live, "matches"_a = explain.matches,
      "selectivity"_a = explain.live == 0 ? 0.0
                                          : static_cast<double>(explain.matches) /
                                                static_cast<double>(explain.live),
      "tail"_a = explain.tail, "distances"_a = explain.distances, "hops"_a = explain.hops,
      "reranked"_a = explain.reranked, "filter_micros"_a = explain.filter_micros,
      "search_micros"_a = explain.search_micros, "fetch_micros"_a = explain.fetch_micros,
      "sequence"_a = explain.sequence, "indexed_sequence"_a = explain.indexed_sequence);
}

void bind_record(py::module_& module) {
  py::class_<Record>(module, "Record", "A record as it is stored.")
      .def_readonly("key", &Record::key)
      .def_readonly("sequence", &Record::sequence, "The commit that wrote it last.")
      .def_property_readonly(
          "created", [](const Record& record) { return moment_of(record.created); },
          "When its key was first written: an aware datetime, UTC.")
      .def_property_readonly(
          "updated", [](const Record& record) { return moment_of(record.updated); },
          "When it was written last: an aware datetime, UTC.")
      .def_property_readonly(
          "fields", [](const Record& record) { return to_python(record.fields); },
          "A new dict of its fields; a field that is missing is not in it, a null one is None.")
      .def_property_readonly(
          "payload", [](const Record& record) { return py::bytes(record.payload); },
          "Its bytes; b'' when it has none or when they were not asked for.")
      .def_property_readonly("text", &text_payload, "The payload decoded as UTF-8.")
      .def_property_readonly("vectors", &vectors_of,
                             "Name to stored row; empty unless with_vectors was set.")
      .def("__repr__", [](const Record& record) { return text_of(record); });
}

void bind_hit(py::module_& module) {
  py::class_<Hit>(module, "Hit", "A record that was found.")
      .def_property_readonly("key", [](const Hit& hit) { return py::str(hit.record.key); })
      .def_readonly("distance", &Hit::distance,
                    "By the metric, smaller is nearer: squared L2, 1 - cosine, or minus the inner "
                    "product.")
      .def_readonly("score", &Hit::score, "Minus the distance.")
      .def_readonly("relevance", &Hit::relevance, "0 to 1, larger is nearer.")
      .def_readonly("leg_distances", &Hit::leg_distances, "The distance of each leg.")
      .def_property_readonly(
          "fields", [](const Hit& hit) { return to_python(hit.record.fields); },
          "A new dict of the fields asked for.")
      .def_property_readonly(
          "payload", [](const Hit& hit) { return py::bytes(hit.record.payload); },
          "Its bytes; b'' when it has none or with_payload was False.")
      .def_property_readonly(
          "text", [](const Hit& hit) { return text_payload(hit.record); },
          "The payload decoded as UTF-8.")
      .def_property_readonly(
          "vectors", [](const Hit& hit) { return vectors_of(hit.record); },
          "Name to stored row; empty unless with_vectors was set.")
      .def_property_readonly(
          "sequence", [](const Hit& hit) { return hit.record.sequence; },
          "The commit that wrote the record; 0 when neither fields nor payload were asked for.")
      .def("__repr__", [](const Hit& hit) { return text_of(hit); });
}

void bind_list_of_hits(py::module_& module) {
  py::class_<Hits>(module, "Hits", "What a search found, nearest first: a sequence of Hit.")
      .def("__len__", [](const Hits& hits) { return hits.hits.size(); })
      .def("__getitem__", &at, py::return_value_policy::reference_internal)
      .def("__getitem__",
           [](const py::object& self, const py::slice& slice) {
             const auto& hits = self.cast<const Hits&>().hits;
             py::ssize_t start = 0;
             py::ssize_t stop = 0;
             py::ssize_t step = 0;
             py::ssize_t length = 0;
             if (!slice.compute(static_cast<py::ssize_t>(hits.size()), &start, &stop, &step,
                                &length)) {
               throw py::error_already_set();
             }
             py::list list;
             for (py::ssize_t i = 0; i < length; ++i, start += step)
               list.append(self[py::int_(start)]);
             return list;
           })
      .def(
          "__iter__",
          [](const Hits& hits) { return py::make_iterator(hits.hits.begin(), hits.hits.end()); },
          py::keep_alive<0, 1>())
      .def_readonly("sequence", &Hits::sequence, "The commit that the answer reflects.")
      .def_property_readonly("keys",
                             [](const Hits& hits) {
                               py::list keys;
                               for (const Hit& hit : hits.hits)
                                 keys.append(py::str(hit.record.key));
                               return keys;
                             })
      .def_property_readonly(
          "distances",
          [](const Hits& hits) {
            py::array_t<float> distances(static_cast<py::ssize_t>(hits.hits.size()));
            for (std::size_t i = 0; i < hits.hits.size(); ++i) {
              distances.mutable_at(static_cast<py::ssize_t>(i)) = hits.hits[i].distance;
            }
            return distances;
          })
      .def_property_readonly(
          "explain",
          [](const Hits& hits) -> py::object {
            if (!hits.explain) return py::none();
            return explanation_of(*hits.explain);
          },
          "How the answer was made; None unless explain was set.")
      .def("__repr__", [](const Hits& hits) {
        std::string text = "Hits([";
        for (const Hit& hit : hits.hits) {
          if (&hit != &hits.hits.front()) text += ", ";
          text += text_of(hit);
        }
        return text + "])";
      });
}

void bind_batch(py::module_& module) {
  py::class_<BatchOfHits>(module, "BatchHits",
                          "What search_batch() found: one row a query, nearest first.")
      .def("__len__", [](const BatchOfHits& batch) { return batch.keys.size(); })
      .def_readonly("k", &BatchOfHits::k)
      .def_readonly("sequence", &BatchOfHits::sequence, "The commit that the answers reflect.")
      .def_readonly("found", &BatchOfHits::found, "How many were found for each query.")
      .def_readonly("keys", &BatchOfHits::keys, "A list of keys for each query.")
      .def_readonly("distances", &BatchOfHits::distances,
                    "float32, shape (queries, k); inf where fewer than k were found.")
      .def("__repr__", [](const BatchOfHits& batch) {
        return "BatchHits(" + std::to_string(batch.keys.size()) +
               " queries, k=" + std::to_string(batch.k) + ")";
      });
}

}  // namespace

py::object as_object(const BatchHits& batch) { return py::cast(BatchOfHits(batch)); }

void bind_hits(py::module_& module) {
  bind_record(module);
  bind_hit(module);
  bind_list_of_hits(module);
  bind_batch(module);
}

}  // namespace anear::python
