// The indexes by themselves, without a store: keys are row numbers.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anear/index/flat_index.hpp"
#include "anear/index/hnsw_index.hpp"
#include "anear/index/ivf_pq_index.hpp"
#include "anear/index/vector_table.hpp"
#include "anear/quant/scalar_codes.hpp"
#include "bindings.hpp"
#include "numpy_views.hpp"
#include "option_words.hpp"
#include "progress_call.hpp"

namespace anear::python {
namespace {

constexpr std::size_t kAnswersMax = std::size_t{1} << 40;

/// Row i: the keys and distances of query i; −1 and +inf where there are fewer than k.
struct IndexHits {
  py::array_t<std::int64_t> keys;
  py::array_t<float> distances;
};

/// An index as Python holds it: calls in progress keep the one they began with when load() replaces
/// it.
template <typename Index>
struct Owned {
  explicit Owned(Index made) : index(std::make_shared<Index>(std::move(made))) {}
  std::shared_ptr<Index> index;  ///< Read and replaced with the GIL held.
  /// What changes the index, from the numbering of rows to their insertion, and what saves it.
  /// Taken without the GIL: whoever holds it may ask for that.
  mutable std::mutex writing;
  mutable std::mutex saving;  ///< Deletions, which may run beside insertion. After `writing`.
};

template <typename Index>
std::unique_ptr<Owned<Index>> own(Result<Index>&& made) {
  return std::make_unique<Owned<Index>>(unwrap(std::move(made)));
}

/// What would wait for the call whose callback it is made from.
template <typename Index>
void refuse_in_callback(const Owned<Index>& owned, const char* call) {
  if (!ProgressCall::runs_here(&owned)) return;
  raise_invalid(std::string(call) +
                    "() of an index cannot be called while it calls back (progress, or a handler "
                    "of a signal); call it when add() or train() has returned",
                Subcode::kNone);
}

template <typename Index>
py::array_t<std::int64_t> add(Owned<Index>& owned, const py::object& rows,
                              const py::object& thread_count, const py::object& progress) {
  const auto threads = as_whole<std::size_t>(thread_count, "threads");
  const Matrix matrix = as_matrix(rows, "rows");
  const std::shared_ptr<Index> index = owned.index;
  std::vector<Slot> slots(matrix.view.rows());
  refuse_in_callback(owned, "add");
  ProgressCall watched(progress, &owned);
  const BuildOptions build{.threads = threads, .progress = watched.callback()};
  const Status added = without_gil([&]() -> Status {
    const std::lock_guard hold(owned.writing);
    // Numbers of a file that another program saved may be ahead of its rows.
    const std::size_t first = std::max(index->positions(), index->table().slot_limit());
    std::iota(slots.begin(), slots.end(), static_cast<Slot>(first));
    if (Status inserted = index->insert(matrix.view, slots, build); !inserted) return inserted;
    return index->needs_calibration() ? index->calibrate({.threads = threads}) : Status{};
  });
  watched.rethrow();
  unwrap(added);
  py::array_t<std::int64_t> keys(static_cast<py::ssize_t>(slots.size()));
  std::copy(slots.begin(), slots.end(), keys.mutable_data());
  return keys;
}

struct Answer {
  std::vector<std::int64_t> keys;
  std::vector<float> distances;
};

template <typename Index>
Result<Answer> search_rows(const Index& index, MatrixView queries, const SearchOptions& options,
                           std::size_t threads) {
  Answer answer;
  answer.keys.assign(queries.rows() * options.k, -1);
  answer.distances.assign(queries.rows() * options.k, std::numeric_limits<float>::infinity());
  std::vector<Scratch> scratches(thread_count(threads));
  std::vector<Status> failures(scratches.size());
  parallel_for(queries.rows(), threads, 8,
               [&](std::size_t begin, std::size_t end, std::size_t thread) {
                 for (std::size_t q = begin; q < end; ++q) {
                   auto found = index.search(queries.row(q), options, scratches[thread]);
                   if (!found) {
                     failures[thread] = at_query(std::move(found).error(), q);
                     return false;
                   }
                   for (std::size_t i = 0; i < found->size(); ++i) {
                     answer.keys[q * options.k + i] = (*found)[i].reference;
                     answer.distances[q * options.k + i] = (*found)[i].distance;
                   }
                 }
                 return true;
               });
  for (Status& failure : failures) {
    if (!failure) return std::move(failure).error();
  }
  return answer;
}

template <typename Index>
IndexHits search(const Owned<Index>& owned, const py::object& queries, const SearchOptions& options,
                 std::size_t threads) {
  const Matrix matrix = as_matrix(queries, "queries");
  unwrap(check_options(options));
  if (matrix.view.rows() > kAnswersMax / options.k) {
    raise(Error{ErrorCode::kLimitExceeded, std::to_string(matrix.view.rows()) + " queries with k " +
                                               std::to_string(options.k) +
                                               " have more than 2^40 answers; ask in parts"});
  }
  const std::shared_ptr<const Index> index = owned.index;
  const Answer answer =
      unwrap(without_gil([&] { return search_rows(*index, matrix.view, options, threads); }));
  IndexHits hits{py::array_t<std::int64_t>({matrix.view.rows(), options.k}),
                 py::array_t<float>({matrix.view.rows(), options.k})};
  std::copy(answer.keys.begin(), answer.keys.end(), hits.keys.mutable_data());
  std::copy(answer.distances.begin(), answer.distances.end(), hits.distances.mutable_data());
  return hits;
}

/// The slot of a key, kNoSlot for an integer that is none; nothing where it is no integer.
std::optional<Slot> slot_of(const py::handle& key) {
  const auto whole = py::reinterpret_steal<py::object>(PyNumber_Index(key.ptr()));
  if (!whole) {
    PyErr_Clear();
    return std::nullopt;
  }
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
  return overflow == 0 && number >= 0 && number < kNoSlot ? static_cast<Slot>(number) : kNoSlot;
}

template <typename Index>
std::size_t delete_keys(Owned<Index>& owned, const py::object& keys) {
  if (!py::isinstance<py::iterable>(keys) || py::isinstance<py::str>(keys))
    raise_invalid("keys: expected a list of integers, got " + std::string(py::repr(keys)));
  std::vector<Slot> slots;
  for (const py::handle key : keys) {
    const auto slot = slot_of(key);
    if (!slot) {
      raise(invalid_argument("keys: expected integers, got " + std::string(py::repr(key)),
                             Subcode::kWrongType)
                .at_record(static_cast<std::int64_t>(slots.size())));
    }
    slots.push_back(*slot);
  }
  const std::shared_ptr<Index> index = owned.index;
  return without_gil([&] {
    const std::lock_guard hold(owned.saving);
    return static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), [&](Slot slot) {
      return slot != kNoSlot && index->mark_deleted(slot);
    }));
  });
}

template <typename Index, typename Class>
void bind_common(Class& type) {
  using py::arg;
  type.def("add", &add<Index>, arg("rows"), py::kw_only(), arg("threads") = 1,
           arg("progress") = py::none(),
           "Adds rows (one a line, float32 or float16 are read in place) and returns their keys. "
           "progress(done, total) may return False to stop: CancelledError.")
      .def(
          "search",
          [](const Owned<Index>& index, const py::object& queries, const py::object& k,
             const py::object& recall, const py::object& effort, const py::object& threads) {
            return search(index, queries,
                          {.k = as_whole<std::size_t>(k, "k"),
                           .recall = as_number(recall, "recall"),
                           .effort = as_whole<std::size_t>(effort, "effort")},
                          as_whole<std::size_t>(threads, "threads"));
          },
          arg("queries"), arg("k") = 10, py::kw_only(), arg("recall") = 0.95F, arg("effort") = 0,
          arg("threads") = 1,
          "The k nearest rows of each query: .keys and .distances, one line a query, nearest "
          "first; −1 and inf where there are fewer. `recall`: the share of the true k that is "
          "asked for; 1 is exact. `effort` sets ef or lists directly.")
      .def("delete", &delete_keys<Index>, arg("keys"),
           "Rows of these keys are not found any more. Returns how many there were.")
      .def(
          "calibrate",
          [](Owned<Index>& owned, const py::object& thread_count) {
            const auto threads = as_whole<std::size_t>(thread_count, "threads");
            const std::shared_ptr<Index> index = owned.index;
            refuse_in_callback(owned, "calibrate");
            unwrap(without_gil([&] {
              const std::lock_guard hold(owned.writing);
              return index->calibrate({.threads = threads});
            }));
          },
          py::kw_only(), arg("threads") = 1)
      .def("save",
           [](const Owned<Index>& owned, const py::object& path) {
             const std::shared_ptr<const Index> index = owned.index;
             const std::string name = as_path(path);
             refuse_in_callback(owned, "save");
             unwrap(without_gil([&] {
               const std::lock_guard hold(owned.writing);
               const std::lock_guard hold_deletions(owned.saving);
               return index->save(name);
             }));
           })
      .def_static("_load",
                  [](const std::string& path) {
                    return own(without_gil([&] { return Index::load(path); }));
                  })
      .def("_replace",
           [](Owned<Index>& owned, const std::string& path) {
             auto loaded = without_gil([&] { return Index::load(path); });
             owned.index = std::make_shared<Index>(unwrap(std::move(loaded)));
           })
      .def("__len__", [](const Owned<Index>& owned) { return owned.index->size(); })
      .def("__contains__",
           [](const Owned<Index>& owned, const py::object& key) {
             const Slot slot = slot_of(key).value_or(kNoSlot);
             return slot != kNoSlot && owned.index->contains(slot);
           })
      .def_property_readonly("dimension",
                             [](const Owned<Index>& owned) { return owned.index->dimension(); })
      .def_property_readonly("bytes",
                             [](const Owned<Index>& owned) { return owned.index->bytes(); })
      .def_property_readonly("row_bytes",
                             [](const Owned<Index>& owned) { return owned.index->row_bytes(); });
}

std::unique_ptr<Owned<FlatIndex>> make_flat(const py::object& dimension, const py::object& metric,
                                            const py::object& dtype, const py::object& codes) {
  return own(FlatIndex::create(as_whole<std::size_t>(dimension, "dimension"),
                               {.metric = as_metric(as_text(metric, "metric")),
                                .rows = as_scalar(as_text(dtype, "dtype")),
                                .codes = as_scalar(as_text(codes, "codes"))}));
}

void train(Owned<IvfPqIndex>& owned, const py::object& sample, const py::object& thread_count,
           const py::object& progress) {
  const auto threads = as_whole<std::size_t>(thread_count, "threads");
  const Matrix matrix = as_matrix(sample, "sample");
  refuse_in_callback(owned, "train");
  ProgressCall watched(progress, &owned);
  const BuildOptions build{.threads = threads, .progress = watched.callback()};
  const std::shared_ptr<IvfPqIndex> index = owned.index;
  const Status trained = without_gil([&] { return index->train(matrix.view, build); });
  watched.rethrow();
  unwrap(trained);
}

void bind_ivf_pq(py::module_& module) {
  using py::arg;
  const IvfPqOptions defaults;
  py::class_<Owned<IvfPqIndex>> ivf_pq(
      module, "IvfPqIndex",
      "Inverted lists of product codes: train(sample), then add(). The "
      "least memory beside the rows.");
  ivf_pq
      .def(py::init([](const py::object& dimension, const py::object& metric,
                       const py::object& dtype, const py::object& lists,
                       const py::object& subspaces, const py::object& rotate,
                       const py::object& iterations, const py::object& seed) {
             IvfPqOptions options;
             options.metric = as_metric(as_text(metric, "metric"));
             options.rows = as_scalar(as_text(dtype, "dtype"));
             options.lists = as_whole<std::uint32_t>(lists, "lists");
             options.subspaces = as_whole<std::uint32_t>(subspaces, "subspaces");
             options.rotate = py::bool_(rotate);
             options.iterations = as_whole<std::uint32_t>(iterations, "iterations");
             options.seed = as_whole<std::uint64_t>(seed, "seed");
             return own(IvfPqIndex::create(as_whole<std::size_t>(dimension, "dimension"), options));
           }),
           arg("dimension"), py::kw_only(), arg("metric") = "cosine", arg("dtype") = "f32",
           arg("lists") = defaults.lists, arg("subspaces") = defaults.subspaces,
           arg("rotate") = defaults.rotate, arg("iterations") = defaults.iterations,
           arg("seed") = defaults.seed)
      .def(
          "train", &train, arg("sample"), py::kw_only(), arg("threads") = 1,
          arg("progress") = py::none(),
          "Learns lists and codes from a sample of the rows to come, once, before the first add().")
      .def_property_readonly(
          "is_trained", [](const Owned<IvfPqIndex>& owned) { return owned.index->is_trained(); })
      .def_property_readonly("lists",
                             [](const Owned<IvfPqIndex>& owned) { return owned.index->lists(); });
  bind_common<IvfPqIndex>(ivf_pq);
}

}  // namespace

void bind_index(py::module_& module) {
  using py::arg;
  py::class_<IndexHits>(module, "IndexHits", "Keys and distances, one line a query.")
      .def_readonly("keys", &IndexHits::keys)
      .def_readonly("distances", &IndexHits::distances);

  py::class_<Owned<FlatIndex>> flat(module, "FlatIndex",
                                    "Compares every row: exact, for up to some ten thousand rows.");
  flat.def(py::init(&make_flat), arg("dimension"), py::kw_only(), arg("metric") = "cosine",
           arg("dtype") = "f32", arg("codes") = "f32");
  bind_common<FlatIndex>(flat);

  const HnswOptions defaults;
  py::class_<Owned<HnswIndex>> hnsw(module, "HnswIndex",
                                    "A graph of near rows, in memory. `codes`: what walks compare, "
                                    "'i8', 'f16' or 'f32' (numpy's names 'int8', 'float16', "
                                    "'float32' too); answers carry exact distances of the rows.");
  hnsw.def(py::init([](const py::object& dimension, const py::object& metric,
                       const py::object& dtype, const py::object& codes, const py::object& links,
                       const py::object& ef_construction, const py::object& seed) {
             HnswOptions options;
             options.metric = as_metric(as_text(metric, "metric"));
             options.rows = as_scalar(as_text(dtype, "dtype"));
             options.codes = as_scalar(as_text(codes, "codes"));
             options.links_max = as_whole<std::uint32_t>(links, "links");
             options.ef_construction = as_whole<std::uint32_t>(ef_construction, "ef_construction");
             options.seed = as_whole<std::uint64_t>(seed, "seed");
             return own(HnswIndex::create(as_whole<std::size_t>(dimension, "dimension"), options));
           }),
           arg("dimension"), py::kw_only(), arg("metric") = "cosine", arg("dtype") = "f32",
           arg("codes") = "i8", arg("links") = defaults.links_max,
           arg("ef_construction") = defaults.ef_construction, arg("seed") = defaults.seed);
  bind_common<HnswIndex>(hnsw);
  bind_ivf_pq(module);
}

}  // namespace anear::python
