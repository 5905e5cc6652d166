// Several processes read what another one writes, until that is killed, and a further one tries to
// write too: readers must see whole batches, never go back, go on without the writer and end with
// all that it acknowledged; nobody may write beside it.
//
// Batch n is commit n + 1 and writes, or deletes, a group of keys, as a function of n alone: so the
// sequence a reader is at says what it must find. Runs 30 rounds; ANEAR_ROUNDS changes that. The
// seed is fixed and printed; ANEAR_SEED changes it.
//
// All processes are forked from one that has not opened a store: a child would lack the threads
// that RocksDB takes for running, and wait for them. So this file's tests come before others.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"
#include "support/campaign.hpp"
#include "support/collection/batches.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_contest_test {

using namespace anear;
using anear::test::Batch;
using anear::testing::report;
using anear::testing::setting;
using anear::testing::TempDirectory;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kBatch = 20;
constexpr std::uint64_t kGroups = 20;
constexpr Sequence kBefore = 1;  ///< The commit that made the collection.
constexpr int kReaders = 4;

/// What all processes of a round share.
struct Shared {
  std::atomic<std::uint64_t> acknowledged{0};  ///< The writer's last batch.
  std::atomic<::pid_t> writer{0};              ///< 0: it has not opened the store yet.
  std::atomic<bool> killing{false};
  std::atomic<bool> killed{false};
  std::atomic<std::uint64_t> looks{0};    ///< States that readers have checked.
  std::atomic<std::uint64_t> refused{0};  ///< Writers that were refused.
  std::array<std::array<char, 512>, kReaders + 2> problems{};
};

/// The memory of a Shared that forked children have in common.
class SharedMemory {
 public:
  SharedMemory() {
    void* const memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    shared_ = new (memory) Shared;
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { (void)::munmap(shared_, sizeof(Shared)); }
  Shared& operator*() const { return *shared_; }
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

/// Batch `number`: the next group; two cycles write it and the third deletes it.
struct Work {
  explicit Work(std::uint64_t of)
      : number(of), deletes(of / kGroups % 3 == 2), rows{kDimension, {}} {
    Random random(of * 7'919);
    for (std::size_t i = 0; i < kBatch; ++i) {
      keys.push_back("g" + std::to_string(of % kGroups) + "-" + std::to_string(i));
      for (std::size_t d = 0; d < kDimension; ++d) rows.values.push_back(test::normal(random));
    }
  }
  std::uint64_t number;
  bool deletes;
  std::vector<std::string> keys;
  test::Rows rows;
};

/// The batches that are visible after batch `last`: the newest one of each group, if it wrote.
std::vector<Work> visible_after(std::uint64_t last) {
  std::vector<Work> visible;
  for (std::uint64_t back = 0; back < std::min(kGroups, last); ++back) {
    Work work(last - back);
    if (!work.deletes) visible.push_back(std::move(work));
  }
  return visible;
}

StoreOptions writing() { return {.tail_records_max = 100}; }

[[noreturn]] void write_until_killed(const std::string& path, Shared& shared) {
  auto store = Store::open(path, writing());
  if (!store) {
    std::snprintf(shared.problems[kReaders].data(), shared.problems[kReaders].size(), "writer: %s",
                  store.error().message.c_str());
    ::_exit(1);
  }
  auto docs = store->collection("docs");
  std::uint64_t number = store->recovery().recovered_sequence - kBefore;
  shared.acknowledged = number;
  shared.writer = ::getpid();
  for (;;) {
    const Work work(++number);
    bool done = false;
    if (work.deletes) {
      const std::vector<std::string_view> keys(work.keys.begin(), work.keys.end());
      const auto deleted = docs->delete_keys(keys);
      done = deleted && *deleted == kBatch;
    } else {
      Batch batch;
      batch.keys(work.keys)
          .vectors("v", work.rows)
          .vectors("coded", work.rows)
          .field("batch", std::vector<Value>(kBatch, Value(static_cast<std::int64_t>(number))));
      const auto written = docs->upsert(batch);
      done = written && *written == kBefore + number;
    }
    if (done && number % 23 == 0) done = docs->flush().has_value();
    if (!done) ::_exit(2);
    shared.acknowledged = number;
  }
}

/// A reader: what it finds wrong is an empty text when there is nothing.
class Reader {
 public:
  Reader(Store store, Shared& shared, std::uint64_t seed)
      : store_(std::move(store)),
        shared_(shared),
        random_(seed),
        at_(store_.recovery().recovered_sequence) {}

  /// Follows the writer until that is killed, and to its end.
  std::string follow() {
    bool last_round = false;
    for (std::uint64_t i = 0; !last_round; ++i) {
      last_round = shared_.killed;
      const std::uint64_t acknowledged = shared_.acknowledged;
      std::string problem = refresh(last_round);
      if (!problem.empty()) return problem;
      const bool is_fresh = last_round || !late_;
      if (is_fresh && at_ < kBefore + acknowledged)
        return "sequence " + std::to_string(at_) + " after batch " + std::to_string(acknowledged);
      problem = look();
      if (problem.empty() && i % 5 == 0) problem = verify();
      if (!problem.empty()) return "at " + std::to_string(at_) + ": " + problem;
      ++shared_.looks;
    }
    return {};
  }

 private:
  /// A writer that is busy may be too fast; one that is gone is not.
  std::string refresh(bool must_succeed) {
    late_ = true;
    for (int tries = 0; tries < (must_succeed ? 100 : 1); ++tries) {
      const auto now = store_.refresh();
      if (!now && now.error().code != ErrorCode::kSnapshotExpired) return now.error().message;
      if (!now) continue;
      if (*now < at_) return "back to " + std::to_string(*now) + " from " + std::to_string(at_);
      at_ = *now;
      late_ = false;
      return {};
    }
    return must_succeed ? "no refresh without a writer" : "";
  }

  /// Every page and search of one state, with refreshes in between.
  std::string look() {
    const auto docs = store_.collection("docs");
    if (!docs) return docs.error().message;
    const auto pinned = docs->pinned();
    if (!pinned) return pinned.error().message;
    const std::vector<Work> visible = visible_after(at_ - kBefore);
    std::string problem = look_at_counts(*pinned, visible);
    if (problem.empty()) problem = look_at_pages(*pinned, visible);
    if (problem.empty()) problem = look_at_nearest(*pinned, visible);
    return problem;
  }

  static std::string look_at_counts(const Collection& docs, const std::vector<Work>& visible) {
    const auto all = docs.count({});
    if (!all) return all.error().message;
    if (*all != visible.size() * kBatch) return std::to_string(*all) + " records in all";
    for (const Work& work : visible) {
      const auto some = docs.count({"batch = " + std::to_string(work.number), {}});
      if (!some) return some.error().message;
      if (*some != kBatch)
        return std::to_string(*some) + " records of batch " + std::to_string(work.number);
    }
    return {};
  }

  std::string look_at_pages(const Collection& docs, const std::vector<Work>& visible) {
    std::map<std::string, const Work*> expected;
    for (const Work& work : visible) {
      for (const std::string& key : work.keys) expected.emplace(key, &work);
    }
    Scan scan{.filter = {}, .after = {}, .limit = 60, .parts = {.vectors = true}};
    const Sequence then = at_;
    for (;;) {
      const auto page = docs.scan(scan);
      if (!page) return page.error().message;
      for (const Record& record : *page) {
        const auto found = expected.find(record.key);
        if (found == expected.end() || !is_of(*found->second, record))
          return "the record '" + record.key + "'";
        expected.erase(found);
      }
      if (page->size() < scan.limit) break;
      scan.after = page->back().key;
      if (std::string problem = refresh(false); !problem.empty()) return problem;
    }
    return expected.empty() ? "" : "pages from " + std::to_string(then) + " lack records";
  }

  static bool is_of(const Work& work, const Record& record) {
    const auto* number = std::get_if<std::int64_t>(&record.fields.at(0).second);
    if (number == nullptr || static_cast<std::uint64_t>(*number) != work.number) return false;
    const auto i = static_cast<std::size_t>(
        std::find(work.keys.begin(), work.keys.end(), record.key) - work.keys.begin());
    return std::all_of(record.vectors.begin(), record.vectors.end(), [&](const auto& vector) {
      const auto* row = reinterpret_cast<const float*>(vector.bytes.data());
      return std::equal(row, row + kDimension, work.rows.values.data() + i * kDimension);
    });
  }

  std::string look_at_nearest(const Collection& docs, const std::vector<Work>& visible) {
    std::vector<float> query;
    for (std::size_t d = 0; d < kDimension; ++d) query.push_back(test::normal(random_));
    std::vector<float> exact;
    for (const Work& work : visible) {
      for (std::size_t i = 0; i < kBatch; ++i) {
        float sum = 0;
        for (std::size_t d = 0; d < kDimension; ++d) {
          const float difference = query[d] - work.rows.values[i * kDimension + d];
          sum += difference * difference;
        }
        exact.push_back(sum);
      }
    }
    std::sort(exact.begin(), exact.end());
    exact.resize(std::min<std::size_t>(exact.size(), 10));
    Query asked = test::near_to(VectorView(std::span<const float>(query)), 10);
    asked.recall = 1.0F;
    for (const char* vector : {"v", "coded"}) {
      asked.legs.front().vector = vector;
      const auto hits = docs.search(asked);
      if (!hits) return hits.error().message;
      if (hits->hits.size() != exact.size()) return "too few hits by " + std::string(vector);
      for (std::size_t i = 0; i < exact.size(); ++i) {
        if (std::abs(hits->hits[i].distance - exact[i]) > 1e-4F * (1 + exact[i]))
          return "a wrong neighbour by " + std::string(vector);
      }
    }
    return {};
  }

  /// All bytes against each other. Files of images may have gone since.
  std::string verify() {
    const auto verified = store_.verify();
    const bool right = verified || verified.error().code == ErrorCode::kSnapshotExpired;
    return right ? "" : "verify: " + verified.error().message;
  }

  Store store_;
  Shared& shared_;
  Random random_;
  Sequence at_;
  bool late_ = false;  ///< The last refresh did not succeed.
};

[[noreturn]] void read_along(const std::string& path, Shared& shared, int place,
                             std::uint64_t seed) {
  std::string problem = "no opening";
  for (int tries = 0; tries < 100 && problem == "no opening"; ++tries) {
    auto store = Store::open(path, {.read_only = true});
    if (store)
      problem = Reader(std::move(*store), shared, seed).follow();
    else if (store.error().code != ErrorCode::kSnapshotExpired)
      problem = "open: " + store.error().message;
  }
  auto& told = shared.problems[static_cast<std::size_t>(place)];
  std::snprintf(told.data(), told.size(), "%s", problem.c_str());
  ::_exit(problem.empty() ? 0 : 1);
}

/// Wants to write as well, until the writer is killed.
[[noreturn]] void contend(const std::string& path, Shared& shared) {
  std::string problem;
  while (!shared.killing && problem.empty()) {
    ::usleep(5'000);
    const ::pid_t writer = shared.writer;
    if (writer == 0) continue;
    const auto store = Store::open(path, writing());
    if (store) {
      if (!shared.killing) problem = "a second writer";
    } else if (store.error().code != ErrorCode::kLocked) {
      problem = store.error().message;
    } else if (store.error().message.find("process " + std::to_string(writer)) ==
               std::string::npos) {
      problem = "not the holder: " + store.error().message;
    } else {
      ++shared.refused;
    }
  }
  auto& told = shared.problems[kReaders + 1];
  std::snprintf(told.data(), told.size(), "%s", problem.c_str());
  ::_exit(problem.empty() ? 0 : 1);
}

/// Forks a process that runs `body`, which does not return.
template <typename Body>
::pid_t start(Body body) {
  const ::pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(300);  // What waits for ever fails the test.
    body();
  }
  return child;
}

int end_of(::pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

void make_store(const std::string& path) {
  const ::pid_t maker = start([&] {
    IvfPqOptions coded;
    coded.lists = 16;
    coded.iterations = 2;
    coded.train_from = 150;
    auto store = Store::open(path);
    const bool made =
        store &&
        store->create_collection(
            "docs", {.vectors = {{.name = "v", .dimension = kDimension, .metric = Metric::kL2},
                                 {.name = "coded",
                                  .dimension = kDimension,
                                  .metric = Metric::kL2,
                                  .index = coded}},
                     .fields = {{"batch", FieldType::kInt64}}}) &&
        store->close();
    ::_exit(made ? 0 : 1);
  });
  REQUIRE(end_of(maker) == 0);
}

/// One writer with its readers, to its death and theirs.
void run_round(const std::string& path, Shared& shared, Random& random) {
  shared.acknowledged = 0;
  shared.writer = 0;
  shared.killing = false;
  shared.killed = false;
  const ::pid_t writer = start([&] { write_until_killed(path, shared); });
  std::vector<::pid_t> others;
  for (int i = 0; i < kReaders; ++i) {
    const std::uint64_t seed = random.next();
    others.push_back(start([&] { read_along(path, shared, i, seed); }));
  }
  others.push_back(start([&] { contend(path, shared); }));
  for (int waited = 0; shared.writer == 0 && waited < 60'000; ++waited) ::usleep(1'000);
  ::usleep(static_cast<::useconds_t>(random.below(150'000)));
  shared.killing = true;
  REQUIRE(::kill(writer, SIGKILL) == 0);
  CHECK(WIFSIGNALED(end_of(writer)));  // It did not end by itself with an error.
  shared.killed = true;
  for (const ::pid_t other : others) CHECK(end_of(other) == 0);
  for (const auto& problem : shared.problems) CHECK(std::string(problem.data()).empty());
}

}  // namespace

TEST_CASE("Readers in other processes see whole batches, outlive the writer and miss nothing") {
  const std::uint64_t seed = setting("ANEAR_SEED", 20'260'102);
  const std::uint64_t rounds = setting("ANEAR_ROUNDS", 30);
  Random random(seed);
  const TempDirectory directory;
  const std::string path = directory / "store";
  const SharedMemory shared;
  make_store(path);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    INFO("ANEAR_SEED=" << seed << ", round " << i);
    run_round(path, *shared, random);
  }
  INFO(shared->looks << " states looked at, " << shared->refused << " writers refused, "
                     << shared->acknowledged << " batches");
  CHECK(shared->looks >= rounds * kReaders);
  CHECK(shared->refused >= rounds / 2);
  CHECK(shared->acknowledged > rounds);
  report("rounds", rounds);
  report("looks", shared->looks);
  report("refused", shared->refused);
}

}  // namespace rocksdb_contest_test
