// The library and stores: handles in, codes out. No logic stands here.
#include <algorithm>
#include <string>
#include <utility>

#include "anear.h"
#include "anear/collection/store.hpp"
#include "anear/simd/isa.hpp"
#include "anear/version.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "inputs.hpp"
#include "sized.hpp"

#define ANEAR_TEXT_OF(number) ANEAR_QUOTE(number)
#define ANEAR_QUOTE(number) #number

using anear::Status;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

static_assert(ANEAR_INTERNAL == static_cast<int>(anear::ErrorCode::kInternal));
static_assert(ANEAR_CANCELLED == static_cast<int>(anear::ErrorCode::kCancelled));
static_assert(ANEAR_CLOSED == static_cast<int>(anear::ErrorCode::kClosed));
static_assert(ANEAR_WRITES_READ_ONLY == static_cast<int>(anear::WriteState::kReadOnly));
static_assert(ANEAR_SUB_PAYLOAD_TOO_LARGE == static_cast<int>(anear::Subcode::kPayloadTooLarge));
static_assert(ANEAR_SUB_FILTER_SYNTAX == static_cast<int>(anear::Subcode::kFilterSyntax));

namespace {

/// The last part of `path`, as far as there is room, NUL-terminated.
void put_last_name(const std::string& path, char (&name)[ANEAR_COPY_SIZE]) {
  const std::string last = path.substr(path.rfind('/') + 1);
  const std::size_t length = std::min(last.size(), sizeof(name) - 1);
  std::copy_n(last.begin(), length, name);
  name[length] = '\0';
}

}  // namespace

const char* anear_version(void) {
  return ANEAR_TEXT_OF(ANEAR_VERSION_MAJOR) "." ANEAR_TEXT_OF(
      ANEAR_VERSION_MINOR) "." ANEAR_TEXT_OF(ANEAR_VERSION_PATCH);
}

int32_t anear_abi_version(void) { return ANEAR_ABI_VERSION; }

const char* anear_code_name(int32_t code) {
  return anear::name_of(static_cast<anear::ErrorCode>(code));
}

const char* anear_isa(void) { return anear::name_of(anear::isa()); }

int32_t anear_store_open(const char* path, const anear_store_options* options, anear_store** store,
                         anear_error* error) {
  reset(store);
  return guard(error, [&]() -> Status {
    if (Status status = required({{path, "path"}, {store, "store"}}); !status) return status;
    const auto converted = store_options_of(options);
    if (!converted) return converted.error();
    auto opened = anear::Store::open(path, *converted);
    if (!opened) return std::move(opened).error();
    *store = new anear_store{std::move(*opened)};
    return {};
  });
}

int32_t anear_store_recover(const char* path, anear_salvage* salvage, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{path, "path"}}); !status) return status;
    if (salvage != nullptr) {
      if (const auto size = checked_size(salvage, "anear_salvage"); !size) return size.error();
    }
    const auto report = anear::Store::recover(path);
    if (!report) return report.error();
    if (salvage == nullptr) return {};
    anear_salvage filled{
        sizeof(anear_salvage), 0, report->recovered_sequence, report->marked_sequence, {}};
    put_last_name(report->copy, filled.copy);
    return write_sized(filled, salvage, "anear_salvage");
  });
}

int32_t anear_store_repair(const char* path, anear_lost lost, void* lost_context,
                           anear_repair* repair, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{path, "path"}}); !status) return status;
    if (repair != nullptr) {
      if (const auto size = checked_size(repair, "anear_repair"); !size) return size.error();
    }
    const auto report = anear::Store::repair(path);
    if (!report) return report.error();
    for (const auto& each : report->lost) {
      if (lost != nullptr)
        lost(lost_context, each.collection.c_str(), each.vector.c_str(),
             {each.key.data(), each.key.size()});
    }
    if (repair == nullptr) return {};
    anear_repair filled{sizeof(anear_repair), 0, report->keys, report->containers, report->indexes,
                        report->lost.size(),  {}};
    put_last_name(report->copy, filled.copy);
    return write_sized(filled, repair, "anear_repair");
  });
}

int32_t anear_store_close(anear_store* store, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    return store->store.close();
  });
}

void anear_store_free(anear_store* store) { delete store; }

int32_t anear_store_collections(const anear_store* store, char* names, size_t* names_size,
                                anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {names_size, "names_size"}}); !status)
      return status;
    if (names == nullptr && *names_size != 0) return null_argument("names");
    const auto known = store->store.collections();
    if (!known) return known.error();
    std::string all;
    for (const std::string& name : *known) all.append(name).push_back('\0');
    const std::size_t room = *names_size;
    *names_size = all.size();
    if (all.size() > room) {
      return anear::Error{anear::ErrorCode::kLimitExceeded,
                          "the names need " + std::to_string(all.size()) + " bytes, there are " +
                              std::to_string(room)};
    }
    std::copy(all.begin(), all.end(), names);
    return {};
  });
}

int32_t anear_store_refresh(anear_store* store, uint64_t* sequence, anear_error* error) {
  reset(sequence);
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    const auto now = store->store.refresh();
    if (!now) return now.error();
    if (sequence != nullptr) *sequence = *now;
    return {};
  });
}

int32_t anear_store_resume(anear_store* store, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    return store->store.resume();
  });
}

int32_t anear_store_flush(anear_store* store, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    return store->store.flush();
  });
}

int32_t anear_store_state(const anear_store* store, anear_state* state, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {state, "state"}}); !status) return status;
    if (const auto size = checked_size(state, "anear_state"); !size) return size.error();
    const auto now = store->store.state();
    if (!now) return now.error();
    anear_state known{sizeof(anear_state),
                      static_cast<std::int32_t>(now->writes),
                      now->free_bytes,
                      now->reserved_bytes,
                      {},
                      now->memory_bytes,
                      now->written.log,
                      now->written.tables,
                      now->written.rows,
                      now->written.images,
                      now->written.other};
    copy_message(now->reason.data(), now->reason.size(), known.reason, sizeof known.reason);
    return write_sized(known, state, "anear_state");
  });
}

int32_t anear_store_recovery(const anear_store* store, anear_recovery* recovery,
                             anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}, {recovery, "recovery"}}); !status)
      return status;
    const anear::RecoveryReport& report = store->store.recovery();
    return write_sized(
        anear_recovery{sizeof(anear_recovery), report.clean ? 1 : 0, report.recovered_sequence,
                       report.marked_sequence, report.tail_records, report.unfinished_erasures},
        recovery, "anear_recovery");
  });
}
