// What a store writes is counted by what it is for, and held to a rate where nobody waits for it.
#include "anear/storage/write_account.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "anear/core/random.hpp"
#include "fault_file_system.hpp"
#include "temp_directory.hpp"

namespace write_account_test {

using namespace anear;
using namespace anear::storage;
using anear::testing::Fault;
using anear::testing::FaultFileSystem;
using anear::testing::Operation;
using anear::testing::TempDirectory;
using Purpose = WriteAccount::Purpose;
using Clock = std::chrono::steady_clock;

TEST_CASE("A pace keeps to its rate over any time, and one piece beyond it") {
  constexpr std::uint64_t kRate = 1'000'000;
  constexpr std::uint64_t kPiece = 65'536;
  Pace pace(kRate);
  const Pace::Time start{};
  Pace::Time now = start + std::chrono::hours(1);
  Random random(7);
  struct Piece {
    Pace::Time begin;
    std::uint64_t bytes_before;
  };
  std::vector<Piece> pieces;
  std::uint64_t bytes = 0;
  for (int i = 0; i < 500; ++i) {
    // Some work takes long, as if the machine had been asleep.
    now += std::chrono::microseconds(random.below(i % 50 == 0 ? 3'000'000 : 80'000));
    pieces.push_back({now, bytes});
    const std::uint64_t piece = 1 + random.below(kPiece);
    bytes += piece;
    now = std::max(now, pace.after(piece, now));
  }
  for (std::size_t first = 0; first < pieces.size(); ++first) {
    for (std::size_t last = first; last < pieces.size(); ++last) {
      const std::chrono::duration<double> time = pieces[last].begin - pieces[first].begin;
      const std::uint64_t read = pieces[last].bytes_before - pieces[first].bytes_before;
      REQUIRE(static_cast<double>(read) <= time.count() * kRate + kPiece);
    }
  }
  CHECK(Pace(0).after(bytes, now) == now);
}

TEST_CASE("Bytes written below a directory are counted by what their files are for") {
  const TempDirectory directory;
  const std::string place = directory / "store";
  const auto below = std::make_shared<FaultFileSystem>();
  const auto account = std::make_shared<WriteAccount>(place);
  const auto files = make_accounted_file_system(below, account);
  for (const char* name : {"", "/records", "/rows", "/images", "/lost-1"})
    REQUIRE(files->make_directory(place + name));
  CHECK(account->written().total() == 0);

  const auto write = [&](const std::string& path, std::size_t bytes) {
    const std::vector<std::byte> some(bytes);
    auto file = files->open(path, OpenMode::kCreateNew);
    REQUIRE(file);
    REQUIRE((*file)->append(some));
    REQUIRE((*file)->write_at(0, some));  // What is written twice costs twice.
  };
  write(place + "/records/000007.log", 1);
  write(place + "/records/000008.sst", 10);
  write(place + "/records/MANIFEST-000005", 100);
  write(place + "/rows/0000000001.rows", 1'000);
  write(place + "/images/0000000002.log", 10'000);  // The directory decides.
  write(place + "/MARK", 100'000);
  write(place + "/lost-1/000007.log", 1'000'000);
  write(directory / "store-000009.log", 7);
  const WrittenBytes written = account->written();
  CHECK(written.log == 2);
  CHECK(written.tables == 20);
  CHECK(written.rows == 2'000);
  CHECK(written.images == 20'000);
  CHECK(written.other == 2'200'200);
  CHECK(written.total() == 2'222'222);

  below->fail({.operation = Operation::kAppend, .times = Fault::kAlways});
  auto file = files->open(place + "/records/000010.log", OpenMode::kCreateNew);
  REQUIRE(file);
  CHECK_FALSE((*file)->append(std::vector<std::byte>(5)));
  CHECK(account->written().log == 2);
}

TEST_CASE("Rows and images share one rate; tables, the log and marks do not wait") {
  WriteAccount account("store");
  account.hold_to(1'000'000);
  const auto begin = Clock::now();
  for (const Purpose purpose : {Purpose::kRows, Purpose::kImages, Purpose::kRows})
    account.add(purpose, 20'000);
  CHECK(Clock::now() - begin >= std::chrono::milliseconds(60));
  // Whoever waited for these would wait for days.
  account.hold_to(1);
  for (const Purpose purpose : {Purpose::kTables, Purpose::kLog, Purpose::kOther})
    account.add(purpose, 1'000'000);
  CHECK(account.written().total() == 3'060'000);
}

TEST_CASE("Whoever waits for the rate of writing goes on when it is lifted", "[threads]") {
  WriteAccount account("store");
  account.hold_to(1);
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&] { account.add(Purpose::kImages, 1'000'000); });
  while (account.written().images != 4'000'000) std::this_thread::yield();
  account.hold_to(0);
  for (std::thread& writer : writers) writer.join();
  account.add(Purpose::kImages, 1'000'000);
  CHECK(account.written().images == 5'000'000);
}

}  // namespace write_account_test
