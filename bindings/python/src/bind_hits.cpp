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

py::list keys_of(const BatchHits& batch) {
  py::list rows;
  for (std::size_t row = 0; row < batch.found.size(); ++row) {
    py::list keys;
    for (std::size_t i = 0; i < batch.found[row]; ++i)
      keys.append(py::str(batch.keys[row * batch.k + i]));
    rows.append(std::move(keys));
  }
  return rows;
}

py::array_t<float> distances_of(const BatchHits& batch) {
  py::array_t<float> distances({batch.found.size(), batch.k});
  std::copy(batch.distances.begin(), batch.distances.end(), distances.mutable_data());
  return distances;
}

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
  py::class_<Record>(module, "Record")
      .def_readonly("key", &Record::key)
      .def_readonly("sequence", &Record::sequence)
      .def_property_readonly("created",
                             [](const Record& record) { return moment_of(record.created); })
      .def_property_readonly("updated",
                             [](const Record& record) { return moment_of(record.updated); })
      .def_property_readonly("fields",
                             [](const Record& record) { return to_python(record.fields); })
      .def_property_readonly("payload",
                             [](const Record& record) { return py::bytes(record.payload); })
      .def_property_readonly("vectors", &vectors_of)
      .def("__repr__", [](const Record& record) { return text_of(record); });
}

void bind_hit(py::module_& module) {
  py::class_<Hit>(module, "Hit")
      .def_property_readonly("key", [](const Hit& hit) { return py::str(hit.record.key); })
      .def_readonly("distance", &Hit::distance)
      .def_readonly("score", &Hit::score)
      .def_readonly("relevance", &Hit::relevance)
      .def_readonly("leg_distances", &Hit::leg_distances)
      .def_property_readonly("fields", [](const Hit& hit) { return to_python(hit.record.fields); })
      .def_property_readonly("payload",
                             [](const Hit& hit) { return py::bytes(hit.record.payload); })
      .def_property_readonly("vectors", [](const Hit& hit) { return vectors_of(hit.record); })
      .def_property_readonly("sequence", [](const Hit& hit) { return hit.record.sequence; })
      .def("__repr__", [](const Hit& hit) { return text_of(hit); });
}

void bind_list_of_hits(py::module_& module) {
  py::class_<Hits>(module, "Hits")
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
      .def_readonly("sequence", &Hits::sequence)
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
      .def_property_readonly("explain",
                             [](const Hits& hits) -> py::object {
                               if (!hits.explain) return py::none();
                               return explanation_of(*hits.explain);
                             })
      .def("__repr__", [](const Hits& hits) {
        std::string text = "Hits([";
        for (const Hit& hit : hits.hits) text += (text.size() > 6 ? ", " : "") + text_of(hit);
        return text + "])";
      });
}

void bind_batch(py::module_& module) {
  py::class_<BatchHits>(module, "BatchHits")
      .def("__len__", [](const BatchHits& batch) { return batch.found.size(); })
      .def_readonly("k", &BatchHits::k)
      .def_readonly("sequence", &BatchHits::sequence)
      .def_readonly("found", &BatchHits::found)
      .def_property_readonly("keys", &keys_of)
      .def_property_readonly("distances", &distances_of);
}

}  // namespace

void bind_hits(py::module_& module) {
  bind_record(module);
  bind_hit(module);
  bind_list_of_hits(module);
  bind_batch(module);
}

}  // namespace anear::python
