// Small values of the byte store: field containers and their merges, entries of the change log,
// rows, slots and sequences.
#include "anear/storage/checksum.hpp"
#include "collection/field_container.hpp"
#include "collection/store_keys.hpp"
#include "sealed_bytes.hpp"

namespace anear::fuzz {
namespace values_target {
namespace {

using Merged = std::optional<std::string>;

/// The first byte of an input.
enum class What : std::uint8_t { kContainers, kChanges, kRow, kNumbers, kAll };

/// | bytes of the first u16 | bytes of the second u16 | first | second | third |
void merge_three(Input input) {
  const std::size_t first_bytes = input.take<std::uint16_t>();
  const std::size_t second_bytes = input.take<std::uint16_t>();
  const Exact first(input.take_bytes(first_bytes));
  const Exact second(input.take_bytes(second_bytes));
  const Exact third(input.rest());
  static ContainerBits bits;
  bits.fill(0);
  (void)unite_container(first.view(), bits);
  const Merged early = merge_containers(first.view(), second.view());
  const Merged late = merge_containers(second.view(), third.view());
  Merged left, right;
  if (early) left = merge_containers(*early, third.view());
  if (late) right = merge_containers(first.view(), *late);
  require(left == right, "merging containers is associative, also in what it refuses");
  const std::array<std::string_view, 2> later = {second.view(), third.view()};
  require(merge_containers(first.view(), later) == left, "merging at once is merging one by one");
  const Merged whole = merge_containers(std::nullopt, first.view());
  if (!whole) return;
  bits.fill(0);
  require(unite_container(*whole, bits), "a merged container can be read");
  require(merge_containers(std::nullopt, *whole) == whole, "a whole container stays as it is");
  require(whole->size() <= 8'195, "a whole container has at most 8,195 bytes");
}

void read_changes(std::string_view body) {
  const Exact raw(body);
  (void)keys::decode_changes(raw.view());
  const Exact stored(sealed(body));
  const auto changes = keys::decode_changes(stored.view());
  if (!changes) return;
  require(keys::encode_changes(*changes) == stored.view(),
          "an entry of the change log that is read is one that is written");
}

/// | dimension u8 | row |
void read_row(Input input) {
  const std::size_t dimension = input.take<std::uint8_t>();
  const Exact stored(sealed(input.rest()));
  for (const ScalarKind kind : {ScalarKind::kF32, ScalarKind::kF16}) {
    const auto row = keys::decode_row(stored.view(), dimension, kind);
    if (!row) continue;
    require(row->bytes() == stored.view().size() - keys::kRowOffset, "a row is all there is");
    require(keys::encode_row(*row) == stored.view(), "a row that is read is one that is written");
  }
}

void read_numbers(std::string_view bytes) {
  const Exact exact(bytes);
  const std::string_view value = exact.view();
  const auto slot = keys::decode_slot(value);
  require(slot.has_value() == (value.size() == 4), "a slot has four bytes");
  const auto sequence = keys::decode_sequence(value);
  require(sequence.has_value() == (value.size() == 8), "a sequence has eight bytes");
  (void)keys::slot_at_end(value);
  (void)keys::sequence_at_end(value);
  require(keys::without_collection(value).size() <= value.size(), "a part of a key is shorter");
}

void run(std::string_view bytes) {
  Input input(bytes);
  switch (static_cast<What>(input.take<std::uint8_t>() % static_cast<std::uint8_t>(What::kAll))) {
    case What::kContainers:
      return merge_three(input);
    case What::kChanges:
      return read_changes(input.rest());
    case What::kRow:
      return read_row(input);
    case What::kNumbers:
    case What::kAll:
      return read_numbers(input.rest());
  }
}

std::string with(What what, std::string_view rest) {
  return std::string(1, static_cast<char>(what)).append(rest);
}

std::string three(const std::string& first, const std::string& second, const std::string& third) {
  return with(What::kContainers, bytes_of(static_cast<std::uint16_t>(first.size())) +
                                     bytes_of(static_cast<std::uint16_t>(second.size())) + first +
                                     second + third);
}

std::vector<std::string> seeds() {
  const std::vector<std::uint16_t> few = {1, 7, 9}, others = {7, 500, 65'535};
  std::vector<std::uint16_t> many(200);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::uint16_t>(3 * i);
  const std::string change = encode_change(few, {});
  const std::string whole = *merge_containers(std::nullopt, change);
  const std::string back = encode_change({}, others);
  const std::vector<keys::Change> changes = {{kNoSlot, 3, "new"}, {4, kNoSlot, "gone"}, {5, 5, ""}};
  const std::vector<float> row = {1.0F, -2.5F, 0.0F};
  std::vector<std::string> inputs = {
      three(whole, change, back),
      three(change, back, change),
      three(encode_change(many, {}), encode_change(few, others), encode_change({}, many)),
      with(What::kChanges, unsealed(keys::encode_changes(changes))),
      with(What::kChanges, unsealed(keys::encode_changes({}))),
      with(What::kRow, "\x03" + unsealed(keys::encode_row(std::span<const float>(row)))),
      with(What::kNumbers, keys::encode_slot(77)),
      with(What::kNumbers, keys::encode_sequence(9))};
  return inputs;
}

}  // namespace
}  // namespace values_target

extern const Target kValuesTarget;
const Target kValuesTarget = {"values", values_target::run, values_target::seeds, 20'000};

}  // namespace anear::fuzz
