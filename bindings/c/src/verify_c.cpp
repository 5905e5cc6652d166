// Looking for damage. No logic stands here.
#include <cstdint>

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

static_assert(ANEAR_VERIFY_CHECKSUMS == static_cast<int>(anear::VerifyLevel::kChecksums));
static_assert(ANEAR_VERIFY_RECORDS == static_cast<int>(anear::VerifyLevel::kRecords));
static_assert(ANEAR_VERIFY_FULL == static_cast<int>(anear::VerifyLevel::kFull));

namespace {

/// `progress` must outlive what is returned.
Result<anear::VerifyOptions> verify_options_of(const anear_verify* from, Progress& progress) {
  const auto given = read_sized(from, "anear_verify");
  if (!given) return given.error();
  if (Status status = check_flags(given->flags, 0, "flags of a verification"); !status)
    return std::move(status).error();
  if (given->level < 0 || given->level > ANEAR_VERIFY_FULL)
    return unknown_number("level of a verification", given->level);
  anear::VerifyOptions options;
  if (given->level != 0) options.level = static_cast<anear::VerifyLevel>(given->level);
  options.bytes_per_second = given->bytes_per_second;
  options.progress = progress.callback(given->progress, given->progress_context);
  return options;
}

}  // namespace

int32_t anear_store_verify(const anear_store* store, anear_verification* verification,
                           anear_error* error) {
  return anear_store_verify_as(store, nullptr, verification, error);
}

int32_t anear_store_verify_as(const anear_store* store, const anear_verify* verify,
                              anear_verification* verification, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    if (verification != nullptr) {
      if (const auto size = checked_size(verification, "anear_verification"); !size)
        return size.error();
    }
    Progress progress;
    const auto options = verify_options_of(verify, progress);
    if (!options) return options.error();
    const auto report = store->store.verify(*options);
    if (!report) return report.error();
    if (verification == nullptr) return {};
    return write_sized(anear_verification{sizeof(anear_verification), 0, report->collections,
                                          report->records, report->rows, report->images,
                                          report->files, report->bytes, report->containers},
                       verification, "anear_verification");
  });
}

int32_t anear_store_scrub_stats(const anear_store* store, anear_damaged damaged,
                                void* damaged_context, anear_scrub* scrub, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    if (scrub != nullptr) {
      if (const auto size = checked_size(scrub, "anear_scrub"); !size) return size.error();
    }
    const auto stats = store->store.scrub_stats();
    if (!stats) return stats.error();
    for (const anear::DamagedFile& file : stats->damaged) {
      if (damaged != nullptr)
        damaged(damaged_context, file.file.c_str(), file.reason.c_str(), file.found);
    }
    if (scrub == nullptr) return {};
    return write_sized(
        anear_scrub{sizeof(anear_scrub), 0, stats->passes, stats->finished, stats->files,
                    stats->bytes, stats->bytes_so_far, stats->damaged.size()},
        scrub, "anear_scrub");
  });
}
