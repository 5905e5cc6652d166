// install_file and write_image: what they ask of the file system, and what a failure leaves.
#include "anear/storage/file_system.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "anear/storage/image_file.hpp"
#include "fault_file_system.hpp"
#include "temp_directory.hpp"

namespace file_system_test {

using namespace anear;
using namespace anear::storage;
using namespace anear::testing;

namespace {

constexpr Operation kSteps[] = {Operation::kCreate, Operation::kAppend, Operation::kSync,
                                Operation::kClose,  Operation::kRename, Operation::kSyncDirectory};

/// The events as "operation path", paths below `directory`.
std::vector<std::pair<Operation, std::string>> steps_of(const std::vector<Event>& events,
                                                        const std::string& directory) {
  std::vector<std::pair<Operation, std::string>> steps;
  for (const Event& event : events)
    steps.emplace_back(event.operation, event.path.substr(directory.size()));
  return steps;
}

}  // namespace

TEST_CASE("install_file writes a temporary file, syncs it, renames it and syncs the directory") {
  const TempDirectory directory;
  FaultFileSystem files;
  REQUIRE(install_file(files, directory.path(), "name", "bytes"));
  const std::vector<std::pair<Operation, std::string>> wanted = {
      {Operation::kCreate, "/name.tmp"}, {Operation::kAppend, "/name.tmp"},
      {Operation::kSync, "/name.tmp"},   {Operation::kClose, "/name.tmp"},
      {Operation::kRename, "/name"},     {Operation::kSyncDirectory, ""}};
  CHECK((steps_of(files.take_events(), directory.path()) == wanted));
  CHECK(bytes_of_file(directory / "name") == "bytes");
}

TEST_CASE("install_file that fails leaves the old file or the whole new one, and nothing else") {
  for (const Operation step : kSteps) {
    for (const ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace}) {
      const TempDirectory directory;
      FaultFileSystem files;
      overwrite_file(directory / "name", "old");
      files.fail({.operation = step, .code = code, .bytes_written = 2});
      const Status done = install_file(files, directory.path(), "name", "bytes");
      INFO("step " << static_cast<int>(step));
      REQUIRE_FALSE(done);
      CHECK(done.error().code == code);
      const bool renamed = step == Operation::kSyncDirectory;
      CHECK(bytes_of_file(directory / "name") == (renamed ? "bytes" : "old"));
      CHECK_FALSE(std::filesystem::exists(directory / "name.tmp"));
      CHECK(install_file(files, directory.path(), "name", "bytes"));
    }
  }
}

TEST_CASE("An image is under its name whole or not at all, whichever step fails") {
  const std::vector<std::uint32_t> numbers(50'000, 7);
  const std::vector<ImageSectionOut> sections = {
      {"numbers", sizeof(std::uint32_t), numbers.size(), {std::as_bytes(std::span(numbers))}}};
  std::vector<Operation> steps(std::begin(kSteps), std::end(kSteps));
  steps.push_back(Operation::kWrite);
  for (const Operation step : steps) {
    const TempDirectory directory;
    FaultFileSystem files;
    files.fail({.operation = step, .code = ErrorCode::kNoSpace, .bytes_written = 100});
    const auto written =
        write_image(files, directory.path(), "a.image", {StoreId{1}, 2, 3}, sections);
    INFO("step " << static_cast<int>(step));
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::kNoSpace);
    const bool renamed = step == Operation::kSyncDirectory;
    CHECK(std::filesystem::exists(directory / "a.image") == renamed);
    CHECK_FALSE(std::filesystem::exists(directory / "a.image.tmp"));
    if (renamed) CHECK(open_image(files, directory.path(), "a.image", StoreId{1}));
    REQUIRE(write_image(files, directory.path(), "b.image", {StoreId{1}, 2, 3}, sections));
    CHECK(open_image(files, directory.path(), "b.image", StoreId{1}));
  }
}

TEST_CASE("An absolute path follows the links of now, and its last name may be missing") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  const std::string real = std::filesystem::canonical(directory.path());
  std::filesystem::create_directories(directory / "a/b");
  std::filesystem::create_directory(directory / "c");
  std::filesystem::create_directory_symlink(directory / "a", directory / "link");
  const std::string before = *files.absolute_path(directory / "link/b");
  for (const char* path : {"a/b", "link/b", "link/b/", "link//b/.", "c/../link/b"})
    CHECK(*files.absolute_path(directory / path) == real + "/a/b");
  for (const char* path : {"link/new", "link/new/", "link//new//", "a/../link/new"})
    CHECK(*files.absolute_path(directory / path) == real + "/a/new");
  std::filesystem::remove(directory / "link");
  std::filesystem::create_directory_symlink(directory / "c", directory / "link");
  CHECK(before == real + "/a/b");
  CHECK(*files.absolute_path(directory / "link") == real + "/c");
  const std::string here = std::filesystem::current_path();
  CHECK(*files.absolute_path(".") == here);
  CHECK(*files.absolute_path("missing-name") == here + "/missing-name");
  CHECK(*files.absolute_path("missing/name") == here + "/missing/name");
  CHECK(*files.absolute_path("/missing/name") == "/missing/name");
  CHECK(*files.absolute_path("/missing") == "/missing");
  CHECK(*files.absolute_path("/") == "/");
}

TEST_CASE("is_within follows links and takes what is missing for what it would become") {
  const TempDirectory directory;
  FileSystem& files = *os_file_system();
  std::filesystem::create_directories(directory / "a/b/c");
  std::filesystem::create_directory(directory / "ab");
  std::filesystem::create_directory_symlink(directory / "a/b", directory / "link");
  const auto within = [&](const std::string& inner, const std::string& outer) {
    const auto answer = is_within(files, directory / inner, directory / outer);
    REQUIRE(answer);
    return *answer;
  };
  for (const char* inner : {"a", "a/", "a/b", "a/b/c", "a/missing", "a/b/missing/../more", "link",
                            "link/c", "link/missing", "ab/../a"}) {
    INFO(inner);
    CHECK(within(inner, "a"));
  }
  for (const char* inner : {"", "ab", "missing", "a/..", "link/../../ab"}) {
    INFO(inner);
    CHECK_FALSE(within(inner, "a"));
  }
  CHECK_FALSE(within("a", "missing"));
}

}  // namespace file_system_test
