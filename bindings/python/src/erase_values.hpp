// What erasing records takes and tells, from and to Python (anear/_erase.py).
//
// Threads: with the GIL held.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>

#include "anear/collection/erase.hpp"

namespace anear::python {

inline EraseOptions as_erase_options(std::uint32_t wait_ms, bool lost_copies,
                                     const ProgressCallback& progress) {
  return {.wait_ms = wait_ms, .remove_lost_copies = lost_copies, .progress = progress};
}

/// The arguments of anear.EraseReceipt, but for how its times look.
inline pybind11::dict receipt_to_python(const EraseReceipt& receipt) {
  using pybind11::literals::operator""_a;
  pybind11::list files;
  for (const EraseReceipt::File& file : receipt.files)
    files.append(pybind11::make_tuple(file.path, file.bytes, file.checksum));
  return pybind11::dict("collection"_a = receipt.collection, "sequence"_a = receipt.sequence,
                        "records"_a = receipt.records, "begun"_a = receipt.begun,
                        "finished"_a = receipt.finished, "indexes"_a = receipt.indexes,
                        "containers"_a = receipt.containers, "changes"_a = receipt.changes,
                        "files"_a = files, "removed"_a = receipt.removed,
                        "outstanding"_a = receipt.outstanding);
}

}  // namespace anear::python
