#include "collection/field_container.hpp"

#include <bit>
#include <cstring>

namespace anear {
namespace {

// Sets are copied as they stand in memory.
static_assert(std::endian::native == std::endian::little, "containers are little-endian");

constexpr char kWhole = 1;
constexpr char kChange = 2;
constexpr std::size_t kListedMax = 4'096;
constexpr std::uint16_t kBitmapMark = 0xFFFF;
constexpr std::size_t kBitmapBytes = kContainerSlots / 8;

/// What a container says of each slot: added, removed (in neither: as before). In a whole one,
/// `removed` stays empty and stands for all others.
struct Decoded {
  bool whole = true;
  ContainerBits added{};
  ContainerBits removed{};
};

/// The same of a container that names few slots, ascending: most are so, and clearing bitmaps would
/// be nearly all of their merge.
constexpr std::size_t kFewMax = 128;
struct Mark {
  std::uint16_t slot;
  bool added;
};
struct Few {
  bool whole = true;
  std::size_t count = 0;
  std::array<Mark, 2 * kFewMax> marks;

  void add(Mark mark) noexcept { marks[count++] = mark; }
};

/// False when there are more, or when the bytes may be damaged.
bool decode_few(std::string_view bytes, Few& few);
bool append_ascending(std::string_view added, std::string_view removed, Few& few);
Few merge_few(const Few& older, const Few& newer);
std::string encode_few(const Few& few);

bool decode(std::string_view bytes, Decoded& decoded);
std::string encode(const Decoded& decoded);
/// The later word on the slots that `few` names; on all, when it is whole.
void put(const Few& few, Decoded& onto);
/// False when `newer` is damaged.
bool merge_into(Decoded& older, std::string_view newer);

/// Takes one set from the front of `bytes` and unites it with `bits`.
bool take_set(std::string_view& bytes, ContainerBits& bits);
bool take_listed(std::string_view& bytes, std::size_t count, ContainerBits& bits);
bool take_bitmap(std::string_view& bytes, ContainerBits& bits);
void append_set(std::string& out, const ContainerBits& bits);
void append_listed(std::string& out, std::span<const std::uint16_t> slots);
void append_u16(std::string& out, std::uint16_t number);
std::uint16_t u16_at(std::string_view bytes, std::size_t at) noexcept;
std::size_t count_of(const ContainerBits& bits) noexcept;
void set_bit(ContainerBits& bits, std::uint16_t slot) noexcept {
  bits[slot >> 6] |= std::uint64_t{1} << (slot & 63);
}

}  // namespace

std::string encode_change(std::span<const std::uint16_t> added,
                          std::span<const std::uint16_t> removed) {
  if (added.size() <= kListedMax && removed.size() <= kListedMax) {
    std::string out(1, kChange);
    out.reserve(5 + 2 * (added.size() + removed.size()));
    append_listed(out, added);
    append_listed(out, removed);
    return out;
  }
  Decoded change;
  change.whole = false;
  for (const std::uint16_t slot : added) set_bit(change.added, slot);
  for (const std::uint16_t slot : removed) set_bit(change.removed, slot);
  return encode(change);
}

std::optional<std::string> merge_containers(std::optional<std::string_view> older,
                                            std::span<const std::string_view> newer) {
  Few few;
  std::size_t next = 0;
  if (!older || decode_few(*older, few)) {
    for (; next < newer.size() && few.count <= kFewMax; ++next) {
      Few after;
      if (!decode_few(newer[next], after)) break;
      few = merge_few(few, after);
    }
    if (next == newer.size()) return encode_few(few);
  }
  Decoded merged;
  if (next > 0) {
    merged.whole = few.whole;
    put(few, merged);
  } else if (older && !decode(*older, merged)) {
    return std::nullopt;
  }
  for (; next < newer.size(); ++next) {
    if (!merge_into(merged, newer[next])) return std::nullopt;
  }
  return encode(merged);
}

bool unite_container(std::string_view container, ContainerBits& bits) {
  if (container.empty()) return false;
  const char kind = container.front();
  container.remove_prefix(1);
  if ((kind != kWhole && kind != kChange) || !take_set(container, bits)) return false;
  if (kind == kWhole) return container.empty();
  ContainerBits removed{};
  return take_set(container, removed) && container.empty();
}

namespace {

bool decode_few(std::string_view bytes, Few& few) {
  if (bytes.size() < 3 || bytes.size() > 5 + 2 * kFewMax) return false;
  const char kind = bytes.front();
  const std::size_t added = u16_at(bytes, 1);
  few.whole = kind == kWhole;
  if (few.whole) {
    return bytes.size() == 3 + 2 * added && append_ascending(bytes.substr(3), {}, few);
  }
  if (kind != kChange || bytes.size() < 5 + 2 * added) return false;
  const std::size_t removed = u16_at(bytes, 3 + 2 * added);
  return bytes.size() == 5 + 2 * (added + removed) &&
         append_ascending(bytes.substr(3, 2 * added), bytes.substr(5 + 2 * added), few);
}

bool append_ascending(std::string_view added, std::string_view removed, Few& few) {
  std::int32_t previous = -1;
  while (!added.empty() || !removed.empty()) {
    const bool is_added =
        removed.empty() || (!added.empty() && u16_at(added, 0) < u16_at(removed, 0));
    std::string_view& from = is_added ? added : removed;
    const std::uint16_t slot = u16_at(from, 0);
    if (slot <= previous) return false;
    previous = slot;
    few.add({slot, is_added});
    from.remove_prefix(2);
  }
  return true;
}

Few merge_few(const Few& older, const Few& newer) {
  if (newer.whole) return newer;
  Few merged;
  merged.whole = older.whole;
  const auto keep = [&merged](Mark mark) {
    if (mark.added || !merged.whole) merged.add(mark);
  };
  std::size_t from_older = 0;
  for (std::size_t i = 0; i < newer.count; ++i) {
    const Mark mark = newer.marks[i];
    while (from_older < older.count && older.marks[from_older].slot < mark.slot) {
      keep(older.marks[from_older++]);
    }
    if (from_older < older.count && older.marks[from_older].slot == mark.slot) ++from_older;
    keep(mark);
  }
  while (from_older < older.count) keep(older.marks[from_older++]);
  return merged;
}

void put(const Few& few, Decoded& onto) {
  if (few.whole) onto = {};
  for (std::size_t i = 0; i < few.count; ++i) {
    const auto [slot, added] = few.marks[i];
    const std::uint64_t bit = std::uint64_t{1} << (slot & 63);
    std::uint64_t& there = onto.added[slot >> 6];
    std::uint64_t& gone = onto.removed[slot >> 6];
    there = added ? there | bit : there & ~bit;
    if (!onto.whole) gone = added ? gone & ~bit : gone | bit;
  }
}

bool merge_into(Decoded& older, std::string_view newer) {
  if (Few few; decode_few(newer, few)) {
    put(few, older);
    return true;
  }
  Decoded after;
  if (!decode(newer, after)) return false;
  if (after.whole) {
    older = after;
    return true;
  }
  for (std::size_t i = 0; i < after.added.size(); ++i) {
    const std::uint64_t decided = after.added[i] | after.removed[i];
    older.added[i] = (older.added[i] & ~decided) | after.added[i];
    if (!older.whole) older.removed[i] = (older.removed[i] & ~decided) | after.removed[i];
  }
  return true;
}

std::string encode_few(const Few& few) {
  std::string out(1, few.whole ? kWhole : kChange);
  out.reserve(5 + 2 * few.count);
  const auto append = [&](bool added) {
    const std::size_t count_at = out.size();
    append_u16(out, 0);
    for (std::size_t i = 0; i < few.count; ++i) {
      if (few.marks[i].added == added) append_u16(out, few.marks[i].slot);
    }
    const std::size_t count = (out.size() - count_at) / 2 - 1;
    out[count_at] = static_cast<char>(count & 0xFF);
    out[count_at + 1] = static_cast<char>(count >> 8);
  };
  append(true);
  if (!few.whole) append(false);
  return out;
}

bool decode(std::string_view bytes, Decoded& decoded) {
  if (bytes.empty()) return false;
  const char kind = bytes.front();
  bytes.remove_prefix(1);
  decoded.whole = kind == kWhole;
  if ((kind != kWhole && kind != kChange) || !take_set(bytes, decoded.added)) return false;
  if (!decoded.whole) {
    if (!take_set(bytes, decoded.removed)) return false;
    for (std::size_t i = 0; i < decoded.added.size(); ++i) {
      if ((decoded.added[i] & decoded.removed[i]) != 0) return false;
    }
  }
  return bytes.empty();
}

std::string encode(const Decoded& decoded) {
  std::string out(1, decoded.whole ? kWhole : kChange);
  append_set(out, decoded.added);
  if (!decoded.whole) append_set(out, decoded.removed);
  return out;
}

bool take_set(std::string_view& bytes, ContainerBits& bits) {
  if (bytes.size() < 2) return false;
  const std::uint16_t count = u16_at(bytes, 0);
  bytes.remove_prefix(2);
  if (count == kBitmapMark) return take_bitmap(bytes, bits);
  return count <= kListedMax && take_listed(bytes, count, bits);
}

bool take_listed(std::string_view& bytes, std::size_t count, ContainerBits& bits) {
  if (bytes.size() < 2 * count) return false;
  std::int32_t previous = -1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t slot = u16_at(bytes, 2 * i);
    if (slot <= previous) return false;
    previous = slot;
    set_bit(bits, slot);
  }
  bytes.remove_prefix(2 * count);
  return true;
}

bool take_bitmap(std::string_view& bytes, ContainerBits& bits) {
  if (bytes.size() < kBitmapBytes) return false;
  std::size_t count = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + 8 * i, sizeof(word));
    count += static_cast<std::size_t>(std::popcount(word));
    bits[i] |= word;
  }
  bytes.remove_prefix(kBitmapBytes);
  return count > kListedMax;
}

void append_set(std::string& out, const ContainerBits& bits) {
  const std::size_t count = count_of(bits);
  if (count > kListedMax) {
    append_u16(out, kBitmapMark);
    out.append(reinterpret_cast<const char*>(bits.data()), kBitmapBytes);
    return;
  }
  std::array<std::uint16_t, kListedMax> slots;
  std::size_t listed = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    for (std::uint64_t word = bits[i]; word != 0; word &= word - 1) {
      slots[listed++] =
          static_cast<std::uint16_t>(64 * i + static_cast<std::size_t>(std::countr_zero(word)));
    }
  }
  append_listed(out, std::span(slots).first(listed));
}

void append_listed(std::string& out, std::span<const std::uint16_t> slots) {
  append_u16(out, static_cast<std::uint16_t>(slots.size()));
  out.append(reinterpret_cast<const char*>(slots.data()), slots.size_bytes());
}

void append_u16(std::string& out, std::uint16_t number) {
  out += static_cast<char>(number & 0xFF);
  out += static_cast<char>(number >> 8);
}

std::uint16_t u16_at(std::string_view bytes, std::size_t at) noexcept {
  const auto low = static_cast<std::uint8_t>(bytes[at]);
  const auto high = static_cast<std::uint8_t>(bytes[at + 1]);
  return static_cast<std::uint16_t>(low | high << 8);
}

std::size_t count_of(const ContainerBits& bits) noexcept {
  std::size_t count = 0;
  for (const std::uint64_t word : bits) count += static_cast<std::size_t>(std::popcount(word));
  return count;
}

}  // namespace
}  // namespace anear
