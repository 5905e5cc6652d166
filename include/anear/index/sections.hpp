// How an index saves itself: named, fixed-stride byte sections (design: "an index saves itself").
//
// An index lists its sections as borrowed pieces; whoever stores them (storage::ImageFile, or
// save() of the index itself) writes the pieces one after another and later hands back each section
// as one contiguous, 64-byte aligned range; one that grows may come in several parts of one name,
// in order. The bytes are little-endian. attach() checks every number that could lead outside of a
// section.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/block_guard.hpp"
#include "anear/core/error.hpp"

namespace anear {

/// One section on its way out. The pieces are borrowed from the index and valid until it is
/// changed.
struct SectionOut {
  std::string name;          ///< At most 32 bytes of [a-z0-9_.].
  std::uint64_t stride = 1;  ///< Bytes of one entry.
  std::uint64_t count = 0;   ///< Entries; the pieces hold stride · count bytes in all.
  std::vector<std::span<const std::byte>> pieces;
  bool grows = false;  ///< Entries never change, and more follow: what was stored once stays good.
};

/// One section on its way in: contiguous, 64-byte aligned, and writable: a private mapping, whose
/// changes never reach the file, or memory of its own. An index may keep on using (and changing)
/// the bytes in place.
struct SectionIn {
  std::string name;
  std::uint64_t stride = 1;
  std::uint64_t count = 0;
  std::span<std::byte> bytes;
  const BlockGuard* guard = nullptr;  ///< To be asked before bytes are read; null: nothing is.
};

/// All sections of one image, and what keeps their bytes alive.
struct SectionSet {
  std::vector<SectionIn> sections;
  std::shared_ptr<void>
      owner;  ///< Of bytes and guards: an index that keeps pointers to them keeps a copy of this.

  bool has(std::string_view name) const noexcept {
    return std::any_of(sections.begin(), sections.end(),
                       [&](const SectionIn& section) { return section.name == name; });
  }
  /// The section called `name`, or a kCorruption error if it is missing, has another stride, or
  /// lacks bytes.
  Result<SectionIn> find(std::string_view name, std::uint64_t stride) const;
  /// All parts of a section that grows, checked likewise.
  Result<std::vector<GuardedBytes>> find_parts(std::string_view name, std::uint64_t stride) const;
};

inline Status check_section(const SectionIn& section, std::uint64_t stride) {
  const bool fits = section.stride == stride && stride != 0 &&
                    section.count == section.bytes.size() / stride &&
                    section.bytes.size() % stride == 0;
  if (fits) return {};
  return Error{ErrorCode::kCorruption, "index section '" + section.name + "' has " +
                                           std::to_string(section.bytes.size()) +
                                           " bytes of stride " + std::to_string(section.stride) +
                                           "; expected stride " + std::to_string(stride)};
}

inline Result<SectionIn> SectionSet::find(std::string_view name, std::uint64_t stride) const {
  for (const SectionIn& section : sections) {
    if (section.name != name) continue;
    if (Status fits = check_section(section, stride); !fits) return std::move(fits).error();
    return section;
  }
  return Error{ErrorCode::kCorruption, "index section '" + std::string(name) + "' is missing"};
}

inline Result<std::vector<GuardedBytes>> SectionSet::find_parts(std::string_view name,
                                                                std::uint64_t stride) const {
  std::vector<GuardedBytes> parts;
  for (const SectionIn& section : sections) {
    if (section.name != name) continue;
    if (Status fits = check_section(section, stride); !fits) return std::move(fits).error();
    parts.push_back({section.bytes, section.guard});
  }
  if (!parts.empty()) return parts;
  return Error{ErrorCode::kCorruption, "index section '" + std::string(name) + "' is missing"};
}

}  // namespace anear
