// _core.Store: what anear.Store (anear/__init__.py) is made of.
#include <pybind11/stl.h>

#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "anear/collection/store.hpp"
#include "bindings.hpp"
#include "erase_values.hpp"
#include "errors.hpp"
#include "option_words.hpp"
#include "progress_call.hpp"

namespace anear::python {
namespace {

IndexOptions as_index(const py::dict& given) {
  const auto kind = given["kind"].cast<std::string>();
  if (kind == "flat") return FlatOptions{};
  if (kind == "hnsw") {
    HnswOptions options;
    options.codes = as_scalar(given["codes"].cast<std::string>());
    options.links_max = given["links"].cast<std::uint32_t>();
    options.ef_construction = given["ef_construction"].cast<std::uint32_t>();
    options.seed = given["seed"].cast<std::uint64_t>();
    return options;
  }
  IvfPqOptions options;
  options.lists = given["lists"].cast<std::uint32_t>();
  options.subspaces = given["subspaces"].cast<std::uint32_t>();
  options.rotate = given["rotate"].cast<bool>();
  options.iterations = given["iterations"].cast<std::uint32_t>();
  options.train_from = given["train_from"].cast<std::uint32_t>();
  options.seed = given["seed"].cast<std::uint64_t>();
  return options;
}

CollectionSchema as_schema(const py::list& vectors, const py::list& fields, bool dynamic) {
  CollectionSchema schema;
  schema.dynamic = dynamic;
  for (const py::handle each : vectors) {
    const auto given = py::reinterpret_borrow<py::dict>(each);
    schema.vectors.push_back({.name = given["name"].cast<std::string>(),
                              .dimension = given["dimension"].cast<std::size_t>(),
                              .metric = as_metric(given["metric"].cast<std::string>()),
                              .kind = as_scalar(given["dtype"].cast<std::string>()),
                              .index = as_index(given["index"].cast<py::dict>())});
  }
  for (const py::handle each : fields) {
    const auto given = py::reinterpret_borrow<py::tuple>(each);
    schema.fields.push_back({.name = given[0].cast<std::string>(),
                             .type = static_cast<FieldType>(given[1].cast<int>())});
  }
  return schema;
}

StoreOptions as_options(const py::dict& given) {
  StoreOptions options;
  options.create_if_missing = given["create"].cast<bool>();
  options.read_only = given["read_only"].cast<bool>();
  options.in_memory = given["in_memory"].cast<bool>();
  options.tail_records_max = given["tail_records_max"].cast<std::size_t>();
  if (!given["reserved_bytes"].is_none())
    options.reserved_bytes = given["reserved_bytes"].cast<std::uint64_t>();
  options.memory_bytes_max = given["memory_bytes_max"].cast<std::uint64_t>();
  options.background_threads = given["background_threads"].cast<std::uint32_t>();
  options.pinned_seconds_max = given["pinned_seconds_max"].cast<std::uint32_t>();
  options.background_bytes_per_second = given["background_bytes_per_second"].cast<std::uint64_t>();
  if (!given["checked_at_open_bytes"].is_none())
    options.checked_at_open_bytes = given["checked_at_open_bytes"].cast<std::uint64_t>();
  else
    options.checked_at_open_bytes = std::numeric_limits<std::uint64_t>::max();
  options.index_inline = given["index_inline"].cast<bool>();
  options.follow_every_ms = given["follow_every_ms"].cast<std::uint32_t>();
  options.copy_files = given["copy_files"].cast<bool>();
  options.scrub_bytes_per_second = given["scrub_bytes_per_second"].cast<std::uint64_t>();
  options.scrub_every_s = given["scrub_every_s"].cast<std::uint32_t>();
  const auto durability = given["durability"].cast<std::string>();
  if (durability != "durable" && durability != "buffered") {
    raise_invalid("durability '" + durability + "' is unknown; use 'durable' or 'buffered'",
                  Subcode::kNone);
  }
  options.durability = durability == "durable" ? Durability::kDurable : Durability::kBuffered;
  return options;
}

/// A Store whose end, which waits for running calls and syncs, holds up no other thread.
struct OwnedStore {
  explicit OwnedStore(Store&& opened) : store(std::move(opened)) {}
  OwnedStore(const OwnedStore&) = delete;
  OwnedStore& operator=(const OwnedStore&) = delete;
  ~OwnedStore() {
    const py::gil_scoped_release release;
    store.reset();
  }

  std::optional<Store> store;
};

std::unique_ptr<OwnedStore> open_store(const std::string& path, const py::dict& given) {
  const StoreOptions options = as_options(given);
  return std::make_unique<OwnedStore>(
      unwrap(without_gil([&] { return Store::open(path, options); })));
}

Collection create_collection(OwnedStore& owned, const std::string& name, const py::list& vectors,
                             const py::list& fields, bool dynamic) {
  const CollectionSchema schema = as_schema(vectors, fields, dynamic);
  return unwrap(without_gil([&] { return owned.store->create_collection(name, schema); }));
}

py::dict to_python(const RecoveryReport& report) {
  using py::literals::operator""_a;
  return py::dict("recovered_sequence"_a = report.recovered_sequence,
                  "marked_sequence"_a = report.marked_sequence, "clean"_a = report.clean,
                  "tail_records"_a = report.tail_records,
                  "unfinished_erasures"_a = report.unfinished_erasures,
                  "warnings"_a = report.warnings);
}

py::dict to_python(const StoreState& state) {
  using py::literals::operator""_a;
  static constexpr const char* kWrites[] = {"all", "full", "stopped", "read_only"};
  const storage::WrittenBytes& written = state.written;
  return py::dict("writes"_a = kWrites[static_cast<std::size_t>(state.writes)],
                  "reason"_a = state.reason, "free_bytes"_a = state.free_bytes,
                  "reserved_bytes"_a = state.reserved_bytes, "memory_bytes"_a = state.memory_bytes,
                  "written_bytes"_a = py::dict("log"_a = written.log, "tables"_a = written.tables,
                                               "rows"_a = written.rows, "images"_a = written.images,
                                               "other"_a = written.other));
}

py::dict recover(const std::string& path) {
  using py::literals::operator""_a;
  const SalvageReport report = unwrap(without_gil([&] { return Store::recover(path); }));
  return py::dict("recovered_sequence"_a = report.recovered_sequence,
                  "marked_sequence"_a = report.marked_sequence,
                  "copy"_a = report.copy.empty() ? py::object(py::none()) : py::str(report.copy));
}

py::dict repair(const std::string& path) {
  using py::literals::operator""_a;
  const RepairReport report = unwrap(without_gil([&] { return Store::repair(path); }));
  py::list lost;
  for (const RepairReport::Lost& each : report.lost) {
    const py::object vector = each.vector.empty() ? py::object(py::none()) : py::str(each.vector);
    lost.append(py::make_tuple(each.collection, vector, each.key));
  }
  return py::dict("keys"_a = report.keys, "containers"_a = report.containers,
                  "indexes"_a = report.indexes, "lost"_a = lost,
                  "copy"_a = report.copy.empty() ? py::object(py::none()) : py::str(report.copy));
}

VerifyLevel as_level(const std::string& word) {
  if (word == "checksums") return VerifyLevel::kChecksums;
  if (word == "records") return VerifyLevel::kRecords;
  if (word != "full") {
    raise_invalid("level '" + word + "' is unknown; use 'checksums', 'records' or 'full'",
                  Subcode::kNone);
  }
  return VerifyLevel::kFull;
}

py::dict verify(const OwnedStore& owned, const std::string& level, std::uint64_t bytes_per_second,
                const py::object& progress) {
  using py::literals::operator""_a;
  VerifyOptions options{.level = as_level(level), .bytes_per_second = bytes_per_second};
  const VerifyReport report = with_progress(progress, [&](const ProgressCallback& callback) {
    options.progress = callback;
    return owned.store->verify(options);
  });
  return py::dict("files"_a = report.files, "images"_a = report.images, "bytes"_a = report.bytes,
                  "collections"_a = report.collections, "records"_a = report.records,
                  "containers"_a = report.containers, "rows"_a = report.rows);
}

py::dict scrub_stats(const OwnedStore& owned) {
  using py::literals::operator""_a;
  const ScrubStats stats = unwrap(without_gil([&] { return owned.store->scrub_stats(); }));
  py::list damaged;
  for (const DamagedFile& file : stats.damaged)
    damaged.append(
        py::dict("file"_a = file.file, "reason"_a = file.reason, "found"_a = file.found));
  return py::dict("passes"_a = stats.passes, "finished"_a = stats.finished, "files"_a = stats.files,
                  "bytes"_a = stats.bytes, "bytes_so_far"_a = stats.bytes_so_far,
                  "damaged"_a = damaged);
}

py::dict backup(const OwnedStore& owned, const std::string& directory, bool hard_links,
                const py::object& progress) {
  using py::literals::operator""_a;
  const BackupReport report = with_progress(progress, [&](const ProgressCallback& callback) {
    return owned.store->backup(directory, {.hard_links = hard_links, .progress = callback});
  });
  return py::dict("number"_a = report.number, "sequence"_a = report.sequence,
                  "files"_a = report.files, "bytes"_a = report.bytes,
                  "bytes_copied"_a = report.bytes_copied, "bytes_linked"_a = report.bytes_linked,
                  "bytes_shared"_a = report.bytes_shared,
                  "images_left_out"_a = report.images_left_out);
}

py::list resume_erase(OwnedStore& owned, std::uint32_t wait_ms, bool lost_copies,
                      const py::object& progress) {
  py::list all;
  const auto receipts = with_progress(progress, [&](const ProgressCallback& callback) {
    return owned.store->resume_erase(as_erase_options(wait_ms, lost_copies, callback));
  });
  for (const EraseReceipt& receipt : receipts) all.append(receipt_to_python(receipt));
  return all;
}

py::list backups(const std::string& directory) {
  using py::literals::operator""_a;
  py::list all;
  for (const BackupInfo& info : unwrap(without_gil([&] { return Store::backups(directory); }))) {
    all.append(py::dict("number"_a = info.number, "sequence"_a = info.sequence,
                        "created"_a = info.created, "files"_a = info.files, "bytes"_a = info.bytes,
                        "damage"_a = info.damage));
  }
  return all;
}

py::dict to_python(const RestoreReport& report) {
  using py::literals::operator""_a;
  return py::dict("number"_a = report.number, "sequence"_a = report.sequence,
                  "files"_a = report.files, "bytes"_a = report.bytes);
}

py::dict restore(const std::string& directory, const std::string& target, Sequence sequence,
                 std::uint64_t number, const py::object& progress) {
  return to_python(with_progress(progress, [&](const ProgressCallback& callback) {
    return Store::restore(directory, target,
                          {.sequence = sequence, .number = number, .progress = callback});
  }));
}

py::dict verify_backup(const std::string& directory, Sequence sequence, std::uint64_t number,
                       const py::object& progress) {
  return to_python(with_progress(progress, [&](const ProgressCallback& callback) {
    return Store::verify_backup(directory,
                                {.sequence = sequence, .number = number, .progress = callback});
  }));
}

py::dict prune_backups(const std::string& directory, std::size_t keep) {
  using py::literals::operator""_a;
  const PruneReport report =
      unwrap(without_gil([&] { return Store::prune_backups(directory, keep); }));
  return py::dict("backups_removed"_a = report.backups_removed,
                  "bytes_freed"_a = report.bytes_freed);
}

}  // namespace

void bind_store(py::module_& module) {
  py::class_<OwnedStore>(module, "Store")
      .def(py::init(&open_store))
      .def("create_collection", &create_collection)
      .def("collection",
           [](const OwnedStore& owned, const std::string& name) {
             return unwrap(without_gil([&] { return owned.store->collection(name); }));
           })
      .def("collections",
           [](const OwnedStore& owned) {
             return unwrap(without_gil([&] { return owned.store->collections(); }));
           })
      .def("drop_collection",
           [](OwnedStore& owned, const std::string& name) {
             unwrap(without_gil([&] { return owned.store->drop_collection(name); }));
           })
      .def("refresh",
           [](OwnedStore& owned) {
             return unwrap(without_gil([&] { return owned.store->refresh(); }));
           })
      .def("flush",
           [](OwnedStore& owned) { unwrap(without_gil([&] { return owned.store->flush(); })); })
      .def("resume",
           [](OwnedStore& owned) { unwrap(without_gil([&] { return owned.store->resume(); })); })
      .def("resume_erase", &resume_erase)
      .def("verify", &verify)
      .def("scrub_stats", &scrub_stats)
      .def("backup", &backup)
      .def("state",
           [](const OwnedStore& owned) {
             return to_python(unwrap(without_gil([&] { return owned.store->state(); })));
           })
      .def("recovery", [](const OwnedStore& owned) { return to_python(owned.store->recovery()); })
      .def("path", [](const OwnedStore& owned) { return owned.store->path(); })
      .def("close",
           [](OwnedStore& owned) { unwrap(without_gil([&] { return owned.store->close(); })); });
  module.def("recover", &recover);
  module.def("repair", &repair);
  module.def("backups", &backups);
  module.def("restore", &restore);
  module.def("verify_backup", &verify_backup);
  module.def("prune_backups", &prune_backups);
}

}  // namespace anear::python
