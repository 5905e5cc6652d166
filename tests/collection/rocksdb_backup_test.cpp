// Backups of a store that is at work, and stores restored from them.
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <thread>

#include "anear/collection/store.hpp"
#include "support/collection/batches.hpp"
#include "support/collection/docs.hpp"
#include "support/collection/numbered_batches.hpp"
#include "support/collection/stores.hpp"
#include "support/temp_directory.hpp"

namespace rocksdb_backup_test {

using namespace anear;
using anear::test::add_docs;
using anear::test::clustered_rows;
using anear::test::docs_schema;
using anear::test::must;
using anear::test::must_open;
using anear::test::NumberedBatches;
using anear::testing::TempDirectory;

namespace {

Store must_open_there(const std::string& path) {
  return must_open(path, {.create_if_missing = false});
}

/// Restores a backup to a place of its own, and finds there what was committed up to its sequence.
void expect_restorable(const std::string& backups, std::uint64_t number, Sequence sequence) {
  const TempDirectory directory;
  const auto report = must(Store::restore(backups, directory / "store", {.number = number}));
  CHECK(report.sequence == sequence);
  Store store = must_open_there(directory / "store");
  CHECK(store.recovery().recovered_sequence == sequence);
  CHECK(store.recovery().clean);
  const auto verified = store.verify();
  INFO((verified ? "" : verified.error().message));
  REQUIRE(verified);
  NumberedBatches::expect_state(must(store.collection("docs")), sequence);
}

/// Runs a function in another thread as soon as something of a backup was copied.
class WhileCopying {
 public:
  explicit WhileCopying(void (*what)(Store&), Store& store) : what_(what), store_(store) {}
  ProgressCallback callback() { return {&WhileCopying::call, this}; }
  bool was_called() const { return called_; }

 private:
  static bool call(void* context, std::size_t done, std::size_t total) {
    auto& self = *static_cast<WhileCopying*>(context);
    CHECK(done <= total);
    if (self.called_) return true;
    self.called_ = true;
    std::thread([&] { self.what_(self.store_); }).join();
    return true;
  }
  void (*what_)(Store&);
  Store& store_;
  bool called_ = false;
};

std::set<std::string> files_below(const std::string& path) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_directory()) names.insert(std::filesystem::relative(entry.path(), path));
  }
  return names;
}

std::uint64_t bytes_of_pool(const std::string& backups) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(backups + "/files"))
    bytes += entry.file_size();
  return bytes;
}

}  // namespace

TEST_CASE("A drill: a store is lost, and restored as it was at its backup") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  const bool hard_links = GENERATE(false, true);
  {
    Store store = must_open(path, {.tail_records_max = 64});
    Collection docs = NumberedBatches::make(store);
    for (Sequence batch = 2; batch <= 20; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
    REQUIRE(docs.flush());
    for (Sequence batch = 21; batch <= 30; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
    const auto report = must(store.backup(backups, {.hard_links = hard_links}));
    CHECK(report.number == 1);
    CHECK(report.sequence == 30);
    CHECK(report.bytes == report.bytes_copied + report.bytes_linked + report.bytes_shared);
    CHECK((report.bytes_linked > 0) == hard_links);
    for (Sequence batch = 31; batch <= 50; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
    REQUIRE(docs.flush());
  }
  std::filesystem::remove_all(path);
  const auto report = must(Store::restore(backups, path));
  CHECK(report.sequence == 30);
  {
    Store store = must_open_there(path);
    CHECK(store.recovery().recovered_sequence == 30);
    CHECK(store.recovery().marked_sequence == 30);
    CHECK(store.recovery().clean);
    Collection docs = must(store.collection("docs"));
    CHECK_FALSE(docs.stats()->degraded);
    NumberedBatches::expect_state(docs, 30);
    // It goes on as another store than the lost one would have.
    for (Sequence batch = 31; batch <= 40; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
    REQUIRE(docs.flush());
    NumberedBatches::expect_state(docs, 40);
    REQUIRE(store.verify());
    CHECK(must(store.backup(backups, {.hard_links = hard_links})).number == 2);
  }
  NumberedBatches::expect_state(must(must_open_there(path).collection("docs")), 40);
  expect_restorable(backups, 1, 30);
  expect_restorable(backups, 2, 40);
}

TEST_CASE("Backups beside a writer are each whole at their sequence", "[threads]") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  const bool buffered = GENERATE(false, true);
  std::vector<BackupReport> reports;
  {
    Store store = must_open(directory / "store",
                            {.durability = buffered ? Durability::kBuffered : Durability::kDurable,
                             .tail_records_max = 64});
    Collection docs = NumberedBatches::make(store);
    std::atomic<bool> stopping{false};
    std::atomic<bool> failed{false};
    std::atomic<Sequence> acknowledged{1};
    std::thread writer([&] {
      for (Sequence batch = 2; !stopping && !failed; ++batch) {
        if (!NumberedBatches::write(docs, batch)) failed = true;
        acknowledged = batch;
        if (batch % 11 == 0 && !docs.flush()) failed = true;
      }
    });
    for (int i = 0; i < 4; ++i) {
      while (!failed && acknowledged < 12U * static_cast<unsigned>(i + 1))
        std::this_thread::yield();
      const Sequence before = acknowledged;
      auto report = store.backup(backups, {.hard_links = i % 2 == 1});
      const Sequence after = acknowledged + 1;
      if (!report) UNSCOPED_INFO(report.error().message);
      CHECK(report);
      if (!report) break;
      CHECK(report->sequence >= before);
      CHECK(report->sequence <= after);
      CHECK(report->images_left_out == 0);
      reports.push_back(*report);
    }
    stopping = true;
    writer.join();
    REQUIRE_FALSE(failed);
  }
  REQUIRE(reports.size() == 4);
  for (const BackupReport& report : reports)
    expect_restorable(backups, report.number, report.sequence);
}

TEST_CASE("Files that are replaced while they are backed up stay until they are copied") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  Store store = must_open(path, {.index_inline = true});
  Collection docs = NumberedBatches::make(store);
  for (Sequence batch = 2; batch <= 20; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
  REQUIRE(docs.flush());
  REQUIRE(NumberedBatches::write(docs, 21));
  const std::set<std::string> before = files_below(path);
  WhileCopying change(
      [](Store& changed) {
        auto written = changed.collection("docs");
        for (Sequence batch = 22; batch <= 30; ++batch)
          CHECK(NumberedBatches::write(*written, batch));
        CHECK(written->flush());  // New images and rows, and tables without what moved there.
      },
      store);
  const auto report = must(
      store.backup(directory / "backups", {.hard_links = false, .progress = change.callback()}));
  CHECK(change.was_called());
  CHECK(report.sequence == 21);
  expect_restorable(directory / "backups", 1, 21);
  NumberedBatches::expect_state(docs, 30);
  // What was replaced is gone now.
  std::size_t still = 0;
  for (const std::string& file : files_below(path))
    still += file.starts_with("images/") || file.starts_with("rows/") ? before.count(file) : 0;
  CHECK(still == 0);
}

TEST_CASE("A backup copies only what earlier ones do not have") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  const auto rows = clustered_rows({4'000, 64}, 3);
  Store store = must_open(directory / "store", {.index_inline = true});
  auto docs = must(store.create_collection("docs", docs_schema(64)));
  add_docs(docs, rows, 0, 3'900);
  REQUIRE(docs.flush());
  const BackupOptions copies{.hard_links = false};
  const auto first = must(store.backup(backups, copies));
  CHECK(first.bytes_copied == first.bytes);
  CHECK(first.bytes_shared == 0);
  CHECK(first.bytes > 3'900 * 64 * 4);
  CHECK(bytes_of_pool(backups) <= first.bytes);

  const auto same = must(store.backup(backups, copies));
  CHECK(same.sequence == first.sequence);
  CHECK(same.bytes_copied < 64 << 10);
  CHECK(same.bytes_shared > first.bytes * 9 / 10);

  add_docs(docs, rows, 3'900, 100);
  const auto more = must(store.backup(backups, copies));
  CHECK(more.sequence == first.sequence + 1);
  CHECK(more.bytes_copied < first.bytes / 4);  // The database may write some tables anew.
  CHECK(more.bytes == more.bytes_copied + more.bytes_shared);
  CHECK(bytes_of_pool(backups) <= first.bytes + same.bytes_copied + more.bytes_copied);

  must(Store::restore(backups, directory / "restored"));
  Store restored = must_open_there(directory / "restored");
  CHECK(must(must(restored.collection("docs")).count({})) == 4'000);
}

TEST_CASE("Files that never change are linked where that is allowed, and only those") {
  const TempDirectory directory;
  const std::string path = directory / "store";
  const std::string backups = directory / "backups";
  const auto rows = clustered_rows({2'000, 32}, 4);
  Store store = must_open(path, {.index_inline = true});
  auto docs = must(store.create_collection("docs", docs_schema(32)));
  add_docs(docs, rows, 0, 2'000);
  REQUIRE(docs.flush());
  const auto report = must(store.backup(backups));
  CHECK(report.bytes_linked > 2'000 * 32 * 4);
  CHECK(report.bytes_copied < 64 << 10);
  for (const std::string& file : files_below(path)) {
    const bool immutable =
        file.starts_with("images/") || file.starts_with("rows/") || file.ends_with(".sst");
    INFO(file);
    CHECK(std::filesystem::hard_link_count(path + "/" + file) == (immutable ? 2 : 1));
  }
  must(Store::restore(backups, directory / "restored"));
  for (const std::string& file : files_below(directory / "restored"))
    CHECK(std::filesystem::hard_link_count(directory / "restored/" + file) == 1);
}

TEST_CASE("Backups are listed, chosen by sequence or number, and pruned") {
  const TempDirectory directory;
  const std::string backups = directory / "backups";
  const auto none = Store::backups(backups);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kNotFound);
  {
    Store store = must_open(directory / "store", {.index_inline = true});
    Collection docs = NumberedBatches::make(store);
    Sequence batch = 2;
    for (const Sequence last : {10U, 20U, 30U, 40U}) {
      for (; batch <= last; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
      REQUIRE(docs.flush());
      must(store.backup(backups));
    }
  }
  const auto all = must(Store::backups(backups));
  REQUIRE(all.size() == 4);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].number == i + 1);
    CHECK(all[i].sequence == 10 * (i + 1));
    CHECK(all[i].files > 3);
    CHECK(all[i].bytes > 0);
    CHECK(all[i].created >= all[0].created);
    CHECK(all[i].damage.empty());
  }
  CHECK(must(Store::restore(backups, directory / "a")).sequence == 40);
  CHECK(must(Store::restore(backups, directory / "b", {.sequence = 20})).number == 2);
  CHECK(must(Store::restore(backups, directory / "c", {.number = 3})).sequence == 30);
  NumberedBatches::expect_state(must(must_open_there(directory / "b").collection("docs")), 20);
  for (const RestoreOptions& wrong : {RestoreOptions{.sequence = 25}, RestoreOptions{.number = 9},
                                      RestoreOptions{.sequence = 20, .number = 3}}) {
    const auto missing = Store::restore(backups, directory / "d", wrong);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ErrorCode::kNotFound);
    CHECK(missing.error().message.find("2 at sequence 20") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(directory / "d"));
  }

  CHECK(Store::prune_backups(backups, 0).error().code == ErrorCode::kInvalidArgument);
  const std::uint64_t before = bytes_of_pool(backups);
  const auto pruned = must(Store::prune_backups(backups, 2));
  CHECK(pruned.backups_removed == 2);
  CHECK(pruned.bytes_freed > 0);
  CHECK(bytes_of_pool(backups) == before - pruned.bytes_freed);
  REQUIRE(must(Store::backups(backups)).size() == 2);
  expect_restorable(backups, 3, 30);
  expect_restorable(backups, 4, 40);
  CHECK(must(Store::prune_backups(backups, 2)).backups_removed == 0);
}

TEST_CASE("A store that is closed while it is backed up ends the backup", "[threads]") {
  const TempDirectory directory;
  Store store = must_open(directory / "store");
  Collection docs = NumberedBatches::make(store);
  for (Sequence batch = 2; batch <= 10; ++batch) REQUIRE(NumberedBatches::write(docs, batch));
  std::thread closer;
  struct Context {
    Store& store;
    std::thread& closer;
  } context{store, closer};
  const auto close_meanwhile = [](void* at, std::size_t, std::size_t) {
    auto& [closed, by] = *static_cast<Context*>(at);
    if (!by.joinable()) by = std::thread([&store = closed] { (void)store.close(); });
    bool open = true;
    while (open) std::thread([&] { open = closed.collections().has_value(); }).join();
    return true;
  };
  const auto report =
      store.backup(directory / "backups", {.progress = {close_meanwhile, &context}});
  closer.join();
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ErrorCode::kClosed);
  CHECK(must(Store::backups(directory / "backups")).empty());
}

}  // namespace rocksdb_backup_test
