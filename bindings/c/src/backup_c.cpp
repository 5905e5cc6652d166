// Backups: taken, listed, restored, checked, removed. No logic stands here.
#include <string>
#include <vector>

#include "anear.h"
#include "anear/collection/store.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "inputs.hpp"
#include "progress.hpp"
#include "sized.hpp"

using anear::Result;
using anear::Status;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

namespace {

/// `progress` must outlive what is returned.
Result<anear::RestoreOptions> restore_options_of(const anear_restore_options* options,
                                                 Progress& progress) {
  const auto given = read_sized(options, "anear_restore_options");
  if (!given) return given.error();
  if (Status status = check_flags(given->flags, 0, "flags of a restore"); !status)
    return std::move(status).error();
  anear::RestoreOptions restore;
  restore.sequence = given->sequence;
  restore.number = given->number;
  restore.progress = progress.callback(given->progress, given->progress_context);
  return restore;
}

/// An output that may be NULL is looked at before the work is done.
template <typename T>
Status check_output(const T* to, const char* type) {
  if (to == nullptr) return {};
  const auto size = checked_size(to, type);
  return size ? Status{} : Status{size.error()};
}

Status write_restored(const anear::RestoreReport& report, anear_restored* restored) {
  if (restored == nullptr) return {};
  return write_sized(anear_restored{sizeof(anear_restored), 0, report.number, report.sequence,
                                    report.files, report.bytes},
                     restored, "anear_restored");
}

}  // namespace

int32_t anear_store_backup(const anear_store* store, const char* directory,
                           const anear_backup_options* options, anear_backup_report* report,
                           anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {directory, "directory"}}); !status)
      return status;
    if (Status status = check_output(report, "anear_backup_report"); !status) return status;
    const auto given = read_sized(options, "anear_backup_options");
    if (!given) return given.error();
    if (Status status = check_flags(given->flags, ANEAR_BACKUP_NO_HARD_LINKS, "flags of a backup");
        !status) {
      return status;
    }
    Progress progress;
    anear::BackupOptions backup;
    backup.hard_links = (given->flags & ANEAR_BACKUP_NO_HARD_LINKS) == 0;
    backup.progress = progress.callback(given->progress, given->progress_context);
    const auto taken = store->store.backup(directory, backup);
    if (!taken) return taken.error();
    if (report == nullptr) return {};
    return write_sized(
        anear_backup_report{sizeof(anear_backup_report), 0, taken->number, taken->sequence,
                            taken->files, taken->bytes, taken->bytes_copied, taken->bytes_linked,
                            taken->bytes_shared, taken->images_left_out},
        report, "anear_backup_report");
  });
}

int32_t anear_store_backups(const char* directory, anear_backup* backups, size_t* count,
                            anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{directory, "directory"}, {count, "count"}}); !status)
      return status;
    if (backups == nullptr && *count != 0) return null_argument("backups");
    const auto all = anear::Store::backups(directory);
    if (!all) return all.error();
    const std::size_t room = *count;
    *count = all->size();
    if (all->size() > room) {
      return anear::Error{anear::ErrorCode::kLimitExceeded,
                          "there are " + std::to_string(all->size()) + " backups, and room for " +
                              std::to_string(room)};
    }
    for (const anear::BackupInfo& info : *all) {
      *backups++ = {info.number,
                    info.sequence,
                    info.created,
                    info.files,
                    info.bytes,
                    info.damage.empty() ? 0 : 1,
                    0};
    }
    return {};
  });
}

int32_t anear_store_restore(const char* directory, const char* target,
                            const anear_restore_options* options, anear_restored* restored,
                            anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{directory, "directory"}, {target, "target"}}); !status)
      return status;
    if (Status status = check_output(restored, "anear_restored"); !status) return status;
    Progress progress;
    const auto given = restore_options_of(options, progress);
    if (!given) return given.error();
    const auto report = anear::Store::restore(directory, target, *given);
    return report ? write_restored(*report, restored) : Status{report.error()};
  });
}

int32_t anear_store_verify_backup(const char* directory, const anear_restore_options* options,
                                  anear_restored* verified, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{directory, "directory"}}); !status) return status;
    if (Status status = check_output(verified, "anear_restored"); !status) return status;
    Progress progress;
    const auto given = restore_options_of(options, progress);
    if (!given) return given.error();
    const auto report = anear::Store::verify_backup(directory, *given);
    return report ? write_restored(*report, verified) : Status{report.error()};
  });
}

int32_t anear_store_prune_backups(const char* directory, size_t keep, size_t* removed,
                                  anear_error* error) {
  reset(removed);
  return guard(error, [&]() -> Status {
    if (Status status = required({{directory, "directory"}}); !status) return status;
    const auto report = anear::Store::prune_backups(directory, keep);
    if (!report) return report.error();
    if (removed != nullptr) *removed = static_cast<std::size_t>(report->backups_removed);
    return {};
  });
}
