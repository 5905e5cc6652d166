// Field containers through RocksDB's own merging, which groups operands as it likes.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "anear/filter/parser.hpp"
#include "collection/field_container.hpp"
#include "collection/field_index.hpp"
#include "temp_directory.hpp"

namespace rocksdb_field_index_test {

using namespace anear;

namespace {

class NoRecords : public FieldSource {
 public:
  Result<Fields> fields_of(Slot) const override {
    return Error{ErrorCode::kInternal, "the keys decide every value of this test"};
  }
};

Fields fields_at(Slot slot, int round) {
  return {{"section", std::string(1, static_cast<char>('a' + (slot + round) % 5))},
          {"size", static_cast<std::int64_t>(slot % 97) * (round + 1)},
          {"tags", std::vector<std::string>{"all", "t" + std::to_string(slot % 7)}}};
}

}  // namespace

TEST_CASE("Filters resolve the same over RocksDB, with operands merged in any groups") {
  constexpr Slot kSlots = 70'000;
  constexpr Slot kStep = 401;
  constexpr int kRounds = 4;
  const testing::TempDirectory directory;
  const FieldTypes types{.declared = {}, .dynamic = true};
  const NoRecords no_records;
  SlotSet live;
  for (Slot slot = 0; slot < kSlots; slot += kStep) live.insert(slot);
  for (int round = 0; round < kRounds; ++round) {
    storage::ByteStoreOptions options;
    options.directory = directory.path();
    options.merge = merge_containers;
    const auto store = storage::open_rocksdb_store(options);
    REQUIRE(store);
    for (Slot slot = 0; slot < kSlots; slot += kStep) {  // One commit each: many operands a key.
      ContainerChanges changes;
      const Fields before = fields_at(slot, round - 1);
      const Fields after = fields_at(slot, round);
      changes.change(1, slot, round == 0 ? nullptr : &before, &after);
      storage::WriteBatch batch;
      changes.write_to(batch);
      REQUIRE((*store)->write(batch, false));
    }
    for (const char* text : {"section = 'a'", "size between 50 and 100", "'t3' in tags",
                             "section in ('b', 'c') and not size < 20", "size is missing",
                             "'all' in tags and section != 'e'"}) {
      INFO("round " << round << ": " << text);
      const auto filter = bind(*parse_filter(text), types);
      REQUIRE(filter);
      const auto found = resolve(*filter, {.store = **store,
                                           .snapshot = nullptr,
                                           .collection = 1,
                                           .sequence = 1,
                                           .live = live,
                                           .records = no_records});
      REQUIRE(found);
      for (Slot slot = 0; slot < kSlots; slot += kStep) {
        REQUIRE(found->contains(slot) == matches(*filter, fields_at(slot, round)));
      }
    }
    REQUIRE((*store)->close());
  }
}

}  // namespace rocksdb_field_index_test
