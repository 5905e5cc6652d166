#include "commands.hpp"

#include <string_view>
#include <utility>

#include "anear/collection/store.hpp"
#include "report.hpp"

namespace anear::cli {
namespace {

const char* name_of(Metric metric) {
  switch (metric) {
    case Metric::kL2:
      return "l2";
    case Metric::kInnerProduct:
      return "ip";
    case Metric::kCosine:
      return "cosine";
  }
  return "unknown";
}

const char* name_of(const IndexOptions& index) {
  if (std::holds_alternative<HnswOptions>(index)) return "hnsw";
  return std::holds_alternative<FlatOptions>(index) ? "flat" : "ivf_pq";
}

Report describe(const CollectionSchema& schema) {
  Report vectors = Report::array();
  for (const VectorSchema& vector : schema.vectors) {
    vectors.push_back(vector.name + ": " + std::to_string(vector.dimension) + " numbers, " +
                      name_of(vector.metric) + ", " + name_of(vector.index));
  }
  return vectors;
}

Result<Report> describe(const Store& store, const std::string& name) {
  const auto collection = store.collection(name);
  if (!collection) return collection.error();
  const auto stats = collection->stats();
  if (!stats) return stats.error();
  Report report = {{"name", name},
                   {"records", stats->records},
                   {"last_commit", stats->last_sequence},
                   {"not_in_index", stats->tail_records},
                   {"image_bytes", stats->image_bytes},
                   {"degraded", stats->degraded}};
  if (stats->degraded) report["reason"] = stats->reason;
  if (stats->erasing != 0) report["unfinished_erase"] = stats->erasing;
  report["vectors"] = describe(collection->schema());
  return report;
}

Report files_of(const RestoreReport& done) {
  return {{"backup", done.number},
          {"last_commit", done.sequence},
          {"files", done.files},
          {"bytes", done.bytes}};
}

}  // namespace

int info(const Arguments& arguments) {
  const auto store = Store::open(arguments.store, {.read_only = true});
  if (!store) return fail(store.error());
  const RecoveryReport& recovery = store->recovery();
  Report report = {{"store", arguments.store},
                   {"last_commit", recovery.recovered_sequence},
                   {"closed_properly", recovery.clean}};
  const auto state = store->state();
  if (!state) return fail(state.error());
  report["free_bytes"] = state->free_bytes;
  report["reserved_bytes"] = state->reserved_bytes;
  report["memory_bytes"] = state->memory_bytes;
  const bool has_room = state->free_bytes >= state->reserved_bytes;
  report["room_for_writes"] = has_room ? "yes" : "no: less than a writer reserves is free";
  report["warnings"] = recovery.warnings;
  const auto names = store->collections();
  if (!names) return fail(names.error());
  report["collections"] = Report::array();
  for (const std::string& name : *names) {
    auto described = describe(*store, name);
    if (!described) return fail(described.error());
    report["collections"].push_back(std::move(*described));
  }
  print(report, arguments.as_json);
  return kDone;
}

int verify(const Arguments& arguments) {
  const auto store = Store::open(arguments.store, {.read_only = true});
  if (!store) return fail(store.error());
  Progress progress("reading");
  const auto verified = store->verify({.level = arguments.level,
                                       .bytes_per_second = arguments.bytes_per_second,
                                       .progress = progress.callback()});
  if (!verified) return fail(verified.error());
  Report report = {
      {"files", verified->files}, {"images", verified->images}, {"bytes", verified->bytes}};
  if (arguments.level >= VerifyLevel::kRecords) {
    report["collections"] = verified->collections;
    report["records"] = verified->records;
    report["containers"] = verified->containers;
  }
  if (arguments.level == VerifyLevel::kFull) report["rows"] = verified->rows;
  report["damage"] = "none";
  print(report, arguments.as_json);
  return kDone;
}

int repair(const Arguments& arguments) {
  const auto repaired = Store::repair(arguments.store);
  if (!repaired) return fail(repaired.error());
  Report report = {{"keys", repaired->keys},
                   {"containers", repaired->containers},
                   {"indexes", repaired->indexes}};
  if (!repaired->copy.empty()) report["damaged_files_kept_in"] = repaired->copy;
  report["lost"] = Report::array();
  for (const RepairReport::Lost& lost : repaired->lost) {
    Report one = {{"collection", lost.collection}, {"key", lost.key}};
    if (!lost.vector.empty()) one["vector"] = lost.vector;
    report["lost"].push_back(std::move(one));
  }
  print(report, arguments.as_json);
  return kDone;
}

int recover(const Arguments& arguments) {
  const auto recovered = Store::recover(arguments.store);
  if (!recovered) return fail(recovered.error());
  print({{"last_commit", recovered->recovered_sequence},
         {"commits_given_up", recovered->marked_sequence > recovered->recovered_sequence
                                  ? recovered->marked_sequence - recovered->recovered_sequence
                                  : 0},
         {"copy", recovered->copy.empty() ? "none: nothing was lost" : recovered->copy}},
        arguments.as_json);
  return kDone;
}

int erase(const Arguments& arguments) {
  auto store = Store::open(arguments.store, {.create_if_missing = false});
  if (!store) return fail(store.error());
  auto collection = store->collection(arguments.collection);
  if (!collection) return fail(collection.error());
  Progress progress("erasing");
  const EraseOptions options{.remove_lost_copies = arguments.remove_lost_copies,
                             .progress = progress.callback()};
  const std::vector<std::string_view> keys(arguments.keys.begin(), arguments.keys.end());
  const auto erased = arguments.filter.empty()
                          ? collection->erase_keys(keys, options)
                          : collection->erase_matching({arguments.filter, {}}, options);
  if (!erased) return fail(erased.error());
  Report report = {{"collection", erased->collection},
                   {"records", erased->records},
                   {"commit", erased->sequence},
                   {"begun", as_time(erased->begun)},
                   {"finished", as_time(erased->finished)},
                   {"indexes_built_anew", erased->indexes},
                   {"containers", erased->containers},
                   {"changes", erased->changes}};
  report["files"] = Report::array();
  for (const EraseReceipt::File& file : erased->files) {
    report["files"].push_back(file.path + "  " + std::to_string(file.bytes) + "  " + file.checksum);
  }
  report["removed"] = erased->removed;
  report["outstanding"] = erased->outstanding;
  print(report, arguments.as_json);
  if (Status closed = store->close(); !closed) return fail(closed.error());
  return kDone;
}

int backup(const Arguments& arguments) {
  auto store = Store::open(arguments.store, {.create_if_missing = false});
  if (!store) return fail(store.error());
  Progress progress("backing up");
  const auto taken = store->backup(
      arguments.directory, {.hard_links = !arguments.copy, .progress = progress.callback()});
  if (!taken) return fail(taken.error());
  print({{"backup", taken->number},
         {"last_commit", taken->sequence},
         {"files", taken->files},
         {"bytes", taken->bytes},
         {"copied", taken->bytes_copied},
         {"linked", taken->bytes_linked},
         {"shared_with_earlier_ones", taken->bytes_shared},
         {"damaged_images_left_out", taken->images_left_out}},
        arguments.as_json);
  if (Status closed = store->close(); !closed) return fail(closed.error());
  return kDone;
}

int backups(const Arguments& arguments) {
  const auto listed = Store::backups(arguments.directory);
  if (!listed) return fail(listed.error());
  Report report = Report::array();
  bool damaged = false;
  for (const BackupInfo& one : *listed) {
    if (!one.damage.empty()) {
      damaged = true;
      report.push_back({{"backup", one.number}, {"damage", one.damage}});
      continue;
    }
    report.push_back({{"backup", one.number},
                      {"last_commit", one.sequence},
                      {"created", as_time(one.created)},
                      {"files", one.files},
                      {"bytes", one.bytes}});
  }
  print(report, arguments.as_json);
  return damaged ? kDamaged : kDone;
}

int verify_backup(const Arguments& arguments) {
  Progress progress("reading");
  const auto read = Store::verify_backup(arguments.directory, {.sequence = arguments.sequence,
                                                               .number = arguments.number,
                                                               .progress = progress.callback()});
  if (!read) return fail(read.error());
  Report report = files_of(*read);
  report["damage"] = "none";
  print(report, arguments.as_json);
  return kDone;
}

int restore(const Arguments& arguments) {
  Progress progress("restoring");
  const auto restored = Store::restore(arguments.directory, arguments.target,
                                       {.sequence = arguments.sequence,
                                        .number = arguments.number,
                                        .progress = progress.callback()});
  if (!restored) return fail(restored.error());
  print(files_of(*restored), arguments.as_json);
  return kDone;
}

int prune(const Arguments& arguments) {
  const auto pruned = Store::prune_backups(arguments.directory, arguments.keep);
  if (!pruned) return fail(pruned.error());
  print({{"backups_removed", pruned->backups_removed}, {"bytes_freed", pruned->bytes_freed}},
        arguments.as_json);
  return kDone;
}

}  // namespace anear::cli
