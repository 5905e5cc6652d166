// The list of the database's files: what is followed while it is written, and what is compared.
#include "anear/storage/file_list.hpp"

#include <catch2/catch.hpp>
#include <span>
#include <string>
#include <vector>

#include "anear/core/checksum.hpp"
#include "support/temp_directory.hpp"

namespace file_list_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::overwrite_file;
using anear::testing::TempDirectory;

namespace {

FileListMark mark_of(std::uint64_t number, const std::string& bytes) {
  return {number, static_cast<std::uint32_t>(bytes.size()),
          crc32c(std::as_bytes(std::span(bytes)))};
}

}  // namespace

TEST_CASE("Names of lists are told from other names") {
  CHECK(list_number("/a/b/MANIFEST-000012") == 12);
  CHECK(list_number("MANIFEST-000007\n") == 7);
  CHECK(list_number("/MANIFEST-000012/CURRENT") == 0);
  CHECK(list_number("MANIFEST-") == 0);
  CHECK(names_list_in_use("/a/CURRENT"));
  CHECK_FALSE(names_list_in_use("/a/CURRENT/b"));
}

TEST_CASE("A list counts once it is synced, in use, and named durably") {
  FileListTracker tracker;
  tracker.synced({5, 10, 1});
  CHECK(tracker.mark() == FileListMark{});
  tracker.directory_synced();
  CHECK(tracker.mark() == FileListMark{});
  tracker.renamed();
  CHECK(tracker.mark() == FileListMark{});
  tracker.directory_synced();
  CHECK(tracker.mark() == FileListMark{5, 10, 1});
  tracker.synced({5, 20, 2});
  CHECK(tracker.mark() == FileListMark{5, 20, 2});
  tracker.synced({9, 4, 3});
  CHECK(tracker.mark() == FileListMark{5, 20, 2});
  tracker.renamed();
  tracker.directory_synced();
  CHECK(tracker.mark() == FileListMark{9, 4, 3});
}

TEST_CASE("Who observes a list is told of each growth once, and of nothing that is not durable") {
  struct Observer final : FileListObserver {
    void list_grew(const FileListMark& durable) override { told.push_back(durable); }
    std::vector<FileListMark> told;
  } observer;
  FileListTracker tracker;
  tracker.set_observer(&observer);
  tracker.synced({5, 10, 1});
  tracker.renamed();
  CHECK(observer.told.empty());
  tracker.directory_synced();
  tracker.directory_synced();
  tracker.synced({5, 20, 2});
  tracker.synced({9, 4, 3});
  CHECK(observer.told == std::vector<FileListMark>{{5, 10, 1}, {5, 20, 2}});
  tracker.set_observer(nullptr);
  tracker.renamed();
  tracker.directory_synced();
  CHECK(observer.told.size() == 2);
}

TEST_CASE("A list that was cut, changed, set back or lost is found out") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  const auto check = [&](const FileListMark& mark) {
    return check_file_list(files, directory.path(), mark);
  };
  const std::string bytes = "the files of the records";
  const FileListMark mark = mark_of(5, bytes);
  CHECK(check(FileListMark{}));
  CHECK(check(mark).error().subcode == Subcode::kTruncated);
  overwrite_file(directory / "CURRENT", "MANIFEST-000005\n");
  CHECK(check(mark).error().subcode == Subcode::kTruncated);
  overwrite_file(directory / "MANIFEST-000005", bytes);
  CHECK(check(mark));
  overwrite_file(directory / "MANIFEST-000005", bytes + " and more");
  CHECK(check(mark));
  overwrite_file(directory / "MANIFEST-000005", bytes.substr(0, bytes.size() - 1));
  CHECK(check(mark).error().subcode == Subcode::kTruncated);
  overwrite_file(directory / "MANIFEST-000005", "The" + bytes.substr(3));
  CHECK(check(mark).error().subcode == Subcode::kChecksum);
  overwrite_file(directory / "CURRENT", "MANIFEST-000004\n");
  CHECK(check(mark).error().subcode == Subcode::kTruncated);
  overwrite_file(directory / "CURRENT", "MANIFEST-0000");
  CHECK(check(mark).error().code == ErrorCode::kCorruption);
  overwrite_file(directory / "CURRENT", "MANIFEST-000006\n");
  CHECK(check(mark));
}

}  // namespace file_list_test
