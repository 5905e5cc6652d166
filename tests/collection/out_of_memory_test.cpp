// An allocation of anear's fails, at any place of a write, an indexing round, a resumption: what
// was acknowledged is there, a batch is whole or not there, nobody waits for ever, no thread in the
// background ends the process. RocksDB is not made for that: what it allocates is left alone.
#include <dlfcn.h>
#include <execinfo.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/campaign.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/stores.hpp"
#include "support/failing_memory.hpp"
#include "support/fault_file_system.hpp"
#include "support/temp_directory.hpp"
#include "support/threads.hpp"

namespace {

void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
  if (anear::testing::FailingMemory::fails()) return nullptr;
  if (alignment == 0) return std::malloc(size == 0 ? 1 : size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* allocate(std::size_t size, std::size_t alignment) {
  void* const start = allocate_or_null(size, alignment);
  if (start == nullptr) throw std::bad_alloc();
  return start;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) { return allocate(size, 0); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return allocate(size, 0); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_or_null(size, 0);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_or_null(size, 0);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
  return allocate_or_null(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment,
                                       const std::nothrow_t&) noexcept {
  return allocate_or_null(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* start) noexcept { std::free(start); }
[[gnu::noinline]] void operator delete[](void* start) noexcept { std::free(start); }
[[gnu::noinline]] void operator delete(void* start, std::size_t) noexcept { std::free(start); }
[[gnu::noinline]] void operator delete[](void* start, std::size_t) noexcept { std::free(start); }
[[gnu::noinline]] void operator delete(void* start, std::align_val_t) noexcept { std::free(start); }
[[gnu::noinline]] void operator delete[](void* start, std::align_val_t) noexcept {
  std::free(start);
}
[[gnu::noinline]] void operator delete(void* start, std::size_t, std::align_val_t) noexcept {
  std::free(start);
}
[[gnu::noinline]] void operator delete[](void* start, std::size_t, std::align_val_t) noexcept {
  std::free(start);
}

namespace out_of_memory_test {

using namespace anear;
using namespace anear::test;
using anear::testing::FailingMemory;
using anear::testing::FaultFileSystem;
using anear::testing::MemoryFault;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kBefore = 20;
constexpr std::size_t kAfter = 40;
constexpr std::size_t kForEver = SIZE_MAX;

/// The outcome of `call`, which throws where memory runs out before it has anything to lose.
template <typename Call>
ErrorCode outcome_of(const Call& call) {
  try {
    const auto done = call();
    return done ? ErrorCode::kOk : done.error().code;
  } catch (const std::bad_alloc&) {
    return ErrorCode::kOutOfMemory;
  }
}

struct Docs {
  explicit Docs(const StoreOptions& options, const std::string& path = "memory",
                ScalarKind kind = ScalarKind::kF32)
      : store(must_open(path, options)), docs(must(store.create_collection("docs", schema(kind)))) {
    // Once more, so that there are slots to be given out again.
    for (int round = 0; round < 2; ++round) add_docs(docs, rows(), 0, kBefore);
    REQUIRE(docs.flush());
  }
  static CollectionSchema schema(ScalarKind kind) {
    CollectionSchema schema = docs_schema(kDimension);
    schema.vectors[0].kind = kind;
    return schema;
  }
  static const Rows& rows() {
    static const Rows kRows = clustered_rows({64, kDimension}, 3);
    return kRows;
  }
  /// Some records once more and twenty others, with memory that fails.
  ErrorCode write(const MemoryFault& fault) {
    constexpr std::size_t kFirst = kBefore / 2;
    Batch batch;
    batch.numbered(kFirst, kAfter - kFirst)
        .vectors("embedding", rows().view().rows_from(kFirst, kAfter - kFirst))
        .field("size", numbers(kFirst, kAfter - kFirst));
    const FailingMemory memory(fault);
    const ErrorCode code = outcome_of([&] { return docs.upsert(batch); });
    allocations = memory.passed();
    return code;
  }
  /// One record under `key`, with row `i`.
  Result<Sequence> write_one(const std::string& key, std::size_t i) {
    return docs.upsert(Batch()
                           .keys({key})
                           .vectors("embedding", rows().view().rows_from(i, 1))
                           .field("size", numbers(i, 1)));
  }
  void expect(std::size_t count) const { expect_docs(docs, rows(), count); }

  Store store;
  Collection docs;
  std::size_t allocations = 0;  ///< That write() made before one failed.
};

#ifdef ANEAR_WITH_ROCKSDB
/// Whether the running allocation is one of RocksDB, however deep.
bool is_of_rocksdb() {
  thread_local bool asked = false;  // backtrace() itself may allocate.
  if (asked) return true;
  asked = true;
  std::array<void*, 64> frames{};
  const int count = ::backtrace(frames.data(), static_cast<int>(frames.size()));
  bool found = false;
  for (int i = 0; i < count && !found; ++i) {
    Dl_info info{};
    found = ::dladdr(frames[static_cast<std::size_t>(i)], &info) != 0 &&
            info.dli_fname != nullptr && std::strstr(info.dli_fname, "librocksdb") != nullptr;
  }
  asked = false;
  return found;
}
#endif

}  // namespace

TEST_CASE("Whichever allocation of a write fails, it is there whole or not at all") {
  struct Way {
    bool index_inline;
    std::size_t times;
    ScalarKind kind;  ///< Halves are converted where they are indexed, which allocates.
  };
  const auto [index_inline, times, kind] =
      GENERATE(values<Way>({{false, 1, ScalarKind::kF32},
                            {false, kForEver, ScalarKind::kF16},
                            {true, 1, ScalarKind::kF16},
                            {true, 1, ScalarKind::kF32},
                            {true, kForEver, ScalarKind::kF16}}));
  // Indexing allocates much more.
  const std::uint64_t step = index_inline       ? anear::testing::setting("ANEAR_FAULT_STEP", 17)
                             : takes_few_rows() ? 5
                                                : 1;
  std::map<ErrorCode, std::size_t> outcomes;
  for (std::size_t after = 0;; after += step) {
    Docs of({.index_inline = index_inline, .in_memory = true}, "memory", kind);
    const ErrorCode code = of.write({.after = after, .times = times});
    const bool has_failed = FailingMemory::failures() != 0;
    INFO("allocation " << after << ": " << name_of(code));
    ++outcomes[code];
    const std::size_t count = code == ErrorCode::kOk ? kAfter : kBefore;
    of.expect(count);
    if (code == ErrorCode::kOutcomeUnknown) {
      REQUIRE(of.write_one("k0", 0).error().code == ErrorCode::kReadOnly);
    } else {
      CHECK((code == ErrorCode::kOk || code == ErrorCode::kOutOfMemory));
      for (int round = 0; round < 2; ++round) add_docs(of.docs, Docs::rows(), 0, count);
    }
    of.expect(count);
    REQUIRE(of.store.close());
    if (!has_failed) break;
  }
  CHECK(outcomes[ErrorCode::kOk] > (index_inline ? 3 : 0));
  CHECK(outcomes[ErrorCode::kOutOfMemory] > 3);
  CHECK(outcomes[ErrorCode::kOutcomeUnknown] > 3);
}

TEST_CASE("Where memory fails one of several writers, each gets an outcome", "[threads]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(0, 20)));
  CAPTURE(seed);
  constexpr std::size_t kWriters = 4, kWrites = 30;
  Docs of({.in_memory = true});
  std::array<std::array<ErrorCode, kWrites>, kWriters> outcomes{};
  const auto key = [](std::size_t writer, std::size_t i) {
    return std::to_string(writer) + "-" + std::to_string(i);
  };
  {
    Random random(seed);
    const FailingMemory memory(
        {.after = 100 + random.below(6'000), .times = 1 + random.below(3), .of_others = true});
    run_beside(kWriters, [&](std::size_t writer) {
      for (std::size_t i = 0; i < kWrites; ++i)
        outcomes[writer][i] = outcome_of([&] { return of.write_one(key(writer, i), i); });
    });
    CHECK(FailingMemory::failures() != 0);
  }
  const auto written = of.write_one("k0", 0);
  const bool stopped = !written && written.error().code == ErrorCode::kReadOnly;
  REQUIRE((written || stopped));
  for (std::size_t writer = 0; writer < kWriters; ++writer) {
    for (std::size_t i = 0; i < kWrites; ++i) {
      const std::string name = key(writer, i);
      const std::vector<std::string_view> names = {name};
      const ErrorCode code = outcomes[writer][i];
      INFO(name << ": " << name_of(code));
      CHECK(must(of.docs.get(names, {}))[0].has_value() == (code == ErrorCode::kOk));
      CHECK((code == ErrorCode::kOk || code == ErrorCode::kOutOfMemory || stopped));
    }
  }
  REQUIRE(of.store.close());
}

TEST_CASE("Work in the background goes on once there is memory again", "[threads]") {
  const std::size_t times = GENERATE(std::size_t{1}, std::size_t{2'000}, kForEver);
  const std::size_t after = GENERATE(std::size_t{0}, std::size_t{100}, std::size_t{600});
  Docs of({.tail_records_max = 8, .in_memory = true});
  const Rows rows = clustered_rows({400, kDimension}, 5);
  {
    const FailingMemory memory({.after = after, .times = times, .of_others = true});
    for (std::size_t first = 0; first < 200; first += 10) add_docs(of.docs, rows, first, 10);
  }
  add_docs(of.docs, rows, 200, 200);
  REQUIRE(of.docs.flush());
  const CollectionStats stats = must(of.docs.stats());
  CHECK(stats.tail_records == 0);
  CHECK(!stats.degraded);
  expect_docs(of.docs, rows, 400);
  REQUIRE(of.store.close());
}

#ifdef ANEAR_WITH_ROCKSDB
TEST_CASE("A store on disk resumes after memory ran out in a write") {
  std::array<void*, 4> warm{};
  (void)::backtrace(warm.data(), static_cast<int>(warm.size()));
  FailingMemory::leave_out(&is_of_rocksdb);
  const bool index_inline = GENERATE(false, true);
  // The commit is written and published last, or last before the indexing.
  constexpr std::size_t kNeverFails = SIZE_MAX, kCommitAbout = 30;
  std::size_t end = 0;
  {
    const TempDirectory directory;
    Docs of({.file_system = std::make_shared<FaultFileSystem>()}, directory / "store");
    REQUIRE(of.write({.after = kNeverFails}) == ErrorCode::kOk);
    end = of.allocations;
  }
  const std::uint64_t step =
      anear::testing::setting("ANEAR_FAULT_STEP", takes_few_rows() ? 509 : 131);
  std::map<ErrorCode, std::size_t> outcomes;
  for (std::size_t after = anear::testing::setting("ANEAR_SEED", 0) % step;;) {
    const TempDirectory directory;
    const std::string path = directory / "store";
    const auto files = std::make_shared<FaultFileSystem>();
    INFO("allocation " << after);
    std::size_t count = kBefore;
    bool has_failed = false;
    {
      Docs of({.index_inline = index_inline, .file_system = files}, path);
      const ErrorCode code = of.write({.after = after});
      has_failed = FailingMemory::failures() != 0;
      ++outcomes[code];
      if (code == ErrorCode::kOutcomeUnknown) {
        of.expect(kBefore);
        const Status resumed = of.store.resume();
        INFO((resumed ? "" : resumed.error().message));
        REQUIRE(resumed);
        if (must(of.docs.count({})) != kBefore) count = kAfter;
      } else {
        CHECK((code == ErrorCode::kOk || code == ErrorCode::kOutOfMemory));
        if (code == ErrorCode::kOk) count = kAfter;
      }
      of.expect(count);
      add_docs(of.docs, Docs::rows(), 0, 1);
      REQUIRE(of.store.close());
    }
    const Store again = must_open(path, {.file_system = files});
    const Collection docs = must(again.collection("docs"));
    expect_docs(docs, Docs::rows(), count);
    REQUIRE(again.verify());
    if (!has_failed) break;
    if (after + kCommitAbout < end)
      after = std::min(after + step, end - kCommitAbout);
    else
      after += after < end ? 2 : step;
  }
  FailingMemory::leave_out(nullptr);
  CHECK(outcomes[ErrorCode::kOk] > 0);
  CHECK(outcomes[ErrorCode::kOutOfMemory] > 3);
  CHECK(outcomes[ErrorCode::kOutcomeUnknown] > 3);
}
#endif

}  // namespace out_of_memory_test
