// What stands under one key of Family::kFields: which slots, of 65,536 neighbouring ones, have one
// value of one field. Its own encoding, because it has to be combined by the byte store in any
// order and read from damaged disks.
//
// A container is either *whole* (a set of slots) or a *change* of an older one (slots added, slots
// removed, no slot in both):
//
//   kind u8 = 1 whole:   | set |
//   kind u8 = 2 change:  | set added | set removed |
//   set:  count u16 LE ≤ 4096 | count · u16 LE, ascending        few slots
//         0xFFFF              | 8,192 bytes, a bit a slot         more than 4,096
//
// Invariants
//   (1) Equal containers have equal bytes: the form of a set follows from its count.
//   (2) merge_containers() is associative: for each slot the youngest word on it wins.
//   (3) At most 8,195 bytes are stored for good (16,389 on their way). A store's oldest operand is
//       merged with "nothing stored", which makes it whole.
//   (4) decode accepts what encode makes and nothing else.
//
// Threads: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace anear {

inline constexpr std::size_t kContainerSlots = 65'536;
/// One bit for each slot of a container; slot s is bit s & 63 of word s >> 6.
using ContainerBits = std::array<std::uint64_t, kContainerSlots / 64>;

/// A change as bytes. Both lists ascending, each slot in at most one of them.
std::string encode_change(std::span<const std::uint16_t> added,
                          std::span<const std::uint16_t> removed);

/// The MergeFunction of Family::kFields. No value when any of them is damaged.
std::optional<std::string> merge_containers(std::optional<std::string_view> older,
                                            std::span<const std::string_view> newer);
/// The same for one.
inline std::optional<std::string> merge_containers(std::optional<std::string_view> older,
                                                   std::string_view newer) {
  return merge_containers(older, std::span(&newer, 1));
}

/// A container without slots: it says as much as none.
inline constexpr std::string_view kEmptyContainer{"\1\0\0", 3};

/// Sets the bits of the container's slots in `bits`, leaving the others alone. A change counts as
/// one of nothing. False when the bytes are damaged; `bits` is not to be used then.
[[nodiscard]] bool unite_container(std::string_view container, ContainerBits& bits);

}  // namespace anear
