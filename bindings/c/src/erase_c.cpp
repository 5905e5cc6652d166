// Records erased, and what is told of it. No logic stands here.
#include <cstdint>
#include <string>

#include "anear.h"
#include "anear/collection/store.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "inputs.hpp"
#include "progress.hpp"
#include "sized.hpp"

using anear::EraseReceipt;
using anear::Status;
using namespace anear::c;  // NOLINT(google-build-using-namespace): its own half.

namespace {

/// What a caller asks for. Outlives the call.
struct Asked {
  anear_erase given{};
  Progress progress;
  anear::EraseOptions options;

  Status read(const anear_erase* from) {
    const auto known = read_sized(from, "anear_erase");
    if (!known) return known.error();
    given = *known;
    if (Status status = check_flags(given.flags, ANEAR_ERASE_LOST_COPIES, "flags of an erase");
        !status) {
      return status;
    }
    if (given.wait_ms != 0) options.wait_ms = given.wait_ms;
    options.remove_lost_copies = (given.flags & ANEAR_ERASE_LOST_COPIES) != 0;
    options.progress = progress.callback(given.progress, given.progress_context);
    return {};
  }

  void note(const EraseReceipt& receipt) const {
    if (given.note == nullptr) return;
    for (const EraseReceipt::File& file : receipt.files) {
      given.note(given.note_context, ANEAR_ERASE_FILE, file.path.c_str(), file.bytes,
                 file.checksum.c_str());
    }
    for (const std::string& file : receipt.removed)
      given.note(given.note_context, ANEAR_ERASE_REMOVED, file.c_str(), 0, "");
    for (const std::string& what : receipt.outstanding)
      given.note(given.note_context, ANEAR_ERASE_OUTSTANDING, what.c_str(), 0, "");
  }
};

anear::Result<EraseReceipt> erase_as(anear::Collection& collection, const Asked& asked) {
  const anear_erase& given = asked.given;
  if ((given.keys == nullptr) == (given.filter == nullptr))
    return anear::invalid_argument("pass either keys or a filter of what is to be erased");
  if (given.filter != nullptr) {
    const auto text = filter_of(given.filter);
    if (!text) return text.error();
    return collection.erase_matching(*text, asked.options);
  }
  const auto keys = span_of(given.keys, given.key_count, "keys");
  if (!keys) return keys.error();
  const auto views = views_of(*keys, "key");
  if (!views) return views.error();
  return collection.erase_keys(*views, asked.options);
}

Status check_receipt(const anear_erase_receipt* receipt) {
  if (receipt == nullptr) return {};
  const auto size = checked_size(receipt, "anear_erase_receipt");
  return size ? Status{} : Status{size.error()};
}

Status write_receipt(const EraseReceipt& from, anear_erase_receipt* to) {
  if (to == nullptr) return {};
  return write_sized(
      anear_erase_receipt{sizeof(anear_erase_receipt), 0, from.sequence, from.records, from.begun,
                          from.finished, from.indexes, from.containers, from.changes,
                          from.files.size(), from.removed.size(), from.outstanding.size()},
      to, "anear_erase_receipt");
}

}  // namespace

int32_t anear_collection_erase(anear_collection* collection, const anear_erase* erase,
                               anear_erase_receipt* receipt, anear_error* error) {
  return guard(error, [&]() -> Status {
    if (Status status = required({{collection, "collection"}, {erase, "erase"}}); !status)
      return status;
    if (Status status = check_receipt(receipt); !status) return status;
    Asked asked;
    if (Status read = asked.read(erase); !read) return read;
    const auto erased = erase_as(collection->collection, asked);
    if (!erased) return erased.error();
    asked.note(*erased);
    return write_receipt(*erased, receipt);
  });
}

int32_t anear_store_resume_erase(anear_store* store, const anear_erase* erase, size_t* finished,
                                 anear_error* error) {
  reset(finished);
  return guard(error, [&]() -> Status {
    if (Status status = required({{store, "store"}}); !status) return status;
    Asked asked;
    if (Status read = asked.read(erase); !read) return read;
    if (asked.given.keys != nullptr || asked.given.filter != nullptr)
      return anear::invalid_argument("what was begun is resumed: pass neither keys nor a filter");
    const auto receipts = store->store.resume_erase(asked.options);
    if (!receipts) return receipts.error();
    for (const EraseReceipt& receipt : *receipts) asked.note(receipt);
    if (finished != nullptr) *finished = receipts->size();
    return {};
  });
}
