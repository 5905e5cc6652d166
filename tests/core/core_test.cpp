// The small parts of room core.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "anear/core/aligned_rows.hpp"
#include "anear/core/checksum.hpp"
#include "anear/core/error.hpp"
#include "anear/core/parallel.hpp"
#include "anear/core/random.hpp"
#include "anear/core/slot_set.hpp"

namespace anear::core_test {
namespace {

TEST_CASE("A Result holds its value or its error") {
  const Result<int> good = 7;
  const Result<int> bad = invalid_argument("no", Subcode::kNotFinite);
  CHECK(*good == 7);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().subcode == Subcode::kNotFinite);
  CHECK(std::string(name_of(bad.error().code)) == "invalid_argument");
  CHECK(std::string(name_of(ErrorCode::kInternal)) == "internal");
  CHECK(std::string(name_of(static_cast<ErrorCode>(99))) == "unknown");
}

TEST_CASE("crc32c gives the published check value and can be continued") {
  const std::string text = "123456789";
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  CHECK(crc32c(bytes) == 0xe3069283U);
  CHECK(crc32c(bytes.subspan(4), crc32c(bytes.first(4))) == 0xe3069283U);
}

TEST_CASE("SlotSet agrees with a std::set, and versions do not see each other's changes") {
  Random random(5);
  SlotSet set;
  std::set<Slot> model;
  for (int i = 0; i < 5'000; ++i) {
    const auto slot = static_cast<Slot>(random.below(200'000));
    if (random.below(3) == 0)
      CHECK(set.remove(slot) == (model.erase(slot) == 1));
    else
      CHECK(set.insert(slot) == model.insert(slot).second);
  }
  const SlotSet before = set;
  const std::set<Slot> model_before = model;
  for (const Slot slot : model_before) set.remove(slot);
  CHECK(set.count() == 0);
  std::set<Slot> seen;
  before.for_each([&](Slot slot) { seen.insert(slot); });
  CHECK(seen == model_before);
  CHECK(before.count() == model_before.size());
}

TEST_CASE("AlignedRows never moves a row and lists its bytes in pieces") {
  AlignedRows rows(100);
  rows.grow_to(1);
  std::byte* first = rows.row(0);
  rows.grow_to(100'000);
  CHECK(rows.row(0) == first);
  CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
  std::memset(rows.row(99'999), 0x5a, 100);
  std::size_t bytes = 0;
  for (const auto& piece : rows.pieces(100'000)) bytes += piece.size();
  CHECK(bytes == 10'000'000);
}

TEST_CASE("AlignedRows adopts memory in place and grows beyond it") {
  const std::size_t count = 50'000;
  auto memory = std::make_shared<std::vector<std::byte>>(count * 128 + 64);
  auto* start = memory->data() + (64 - reinterpret_cast<std::uintptr_t>(memory->data()) % 64) % 64;
  for (std::size_t i = 0; i < count; ++i) std::memcpy(start + i * 128, &i, sizeof i);
  AlignedRows rows(128);
  rows.adopt({start, count * 128}, count, memory);
  rows.grow_to(count * 2);
  for (std::size_t i = 0; i < count; i += 997) {
    std::size_t value = 0;
    std::memcpy(&value, rows.row(i), sizeof value);
    CHECK(value == i);
  }
  CHECK(rows.row(0) == start);
}

namespace {

std::uint64_t sum_of(std::span<const std::byte> bytes) noexcept {
  std::uint64_t sum = 0;
  for (const std::byte byte : bytes) sum = sum * 31 + std::to_integer<std::uint64_t>(byte);
  return sum;
}

/// `bytes` as the blocks of "a file", from its offset 100 on.
BlockGuard::Blocks blocks_of(std::span<const std::byte> bytes, std::size_t block_bytes) {
  BlockGuard::Blocks blocks{.name = "a file",
                            .offset = 100,
                            .bytes = bytes,
                            .block_bytes = block_bytes,
                            .checksums = {},
                            .checksum = sum_of};
  for (std::size_t at = 0; at < bytes.size(); at += block_bytes)
    blocks.checksums.push_back(sum_of(bytes.subspan(at, std::min(block_bytes, bytes.size() - at))));
  return blocks;
}

}  // namespace

TEST_CASE("Guarded rows are checked block by block before they are given away") {
  // Rows of 3 KiB, of which a chunk has 512, in blocks of 4 KiB; the last chunk is copied.
  constexpr std::size_t kStride = 3'072, kCount = 1'300, kBlock = 4'096;
  auto memory = std::make_shared<std::vector<std::byte>>(kCount * kStride + 64);
  auto* start = memory->data() + (64 - reinterpret_cast<std::uintptr_t>(memory->data()) % 64) % 64;
  const std::span<std::byte> bytes(start, kCount * kStride);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 251);
  BlockGuard::Blocks blocks = blocks_of(bytes, kBlock);
  const std::size_t damaged = GENERATE(std::size_t{0}, 700, 1'299);
  bytes[damaged * kStride + kStride - 1] ^= std::byte{1};
  const BlockGuard guard(std::move(blocks));
  AlignedRows rows(kStride);
  const GuardedBytes piece{bytes, &guard};
  rows.adopt({&piece, 1}, memory);
  rows.grow_to(3'000);
  const auto read = [&](std::size_t row) {
    return sum_of({std::as_const(rows).row(row), kStride});
  };
  // What is copied is read at once.
  CHECK(rows.intact().has_value() == (damaged != 1'299));
  (void)read(400);
  (void)read(2'500);
  (void)rows.address_of(damaged);
  CHECK(rows.intact().has_value() == (damaged != 1'299));
  (void)read(damaged);
  REQUIRE_FALSE(rows.intact());
  const Error error = rows.intact().error();
  CHECK(error.code == ErrorCode::kCorruption);
  CHECK(error.message.find("'a file'") != std::string::npos);
  CHECK(error.position ==
        100 + static_cast<std::int64_t>((damaged * kStride + kStride - 1) / kBlock * kBlock));
  bytes[damaged * kStride + kStride - 1] ^= std::byte{1};
}

TEST_CASE("Threads that read guarded rows beside each other agree on what is damaged") {
  constexpr std::size_t kStride = 2'048, kCount = 4'096, kBlock = 65'536;
  auto memory = std::make_shared<std::vector<std::byte>>(kCount * kStride + 64);
  auto* start = memory->data() + (64 - reinterpret_cast<std::uintptr_t>(memory->data()) % 64) % 64;
  const std::span<std::byte> bytes(start, kCount * kStride);
  BlockGuard::Blocks blocks = blocks_of(bytes, kBlock);
  const bool is_damaged = GENERATE(false, true);
  if (is_damaged) bytes[3'000 * kStride] = std::byte{1};
  const BlockGuard guard(std::move(blocks));
  AlignedRows rows(kStride);
  const GuardedBytes piece{bytes, &guard};
  rows.adopt({&piece, 1}, memory);
  std::atomic<std::size_t> missed{0};
  parallel_for(kCount, 4, 16, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::byte first = *std::as_const(rows).row(i);
      if (first != std::byte{0} && rows.intact()) ++missed;
    }
    return true;
  });
  CHECK(missed == 0);
  CHECK(rows.check_from(is_damaged ? 2'000 : 0).has_value() == !is_damaged);
}

TEST_CASE("parallel_for covers every index once, stops when told, and passes exceptions on") {
  std::vector<std::atomic<int>> touched(10'000);
  CHECK(parallel_for(touched.size(), 4, 7, [&](std::size_t begin, std::size_t end, std::size_t) {
    for (std::size_t i = begin; i < end; ++i) ++touched[i];
    return true;
  }));
  for (const auto& count : touched) CHECK(count == 1);
  CHECK_FALSE(parallel_for(100, 2, 1,
                           [](std::size_t begin, std::size_t, std::size_t) { return begin < 50; }));
  CHECK_THROWS_AS(parallel_for(100, 2, 1,
                               [](std::size_t, std::size_t, std::size_t) -> bool {
                                 throw std::runtime_error("no");
                               }),
                  std::runtime_error);
}

// ThreadSanitizer does not take threads in a child of a fork.
#if !defined(__SANITIZE_THREAD__)
TEST_CASE("parallel_for goes on in a child of a fork, whose threads stayed with its parent") {
  const auto sums_up = [] {
    std::atomic<std::size_t> sum{0};
    return parallel_for(100, 4, 7,
                        [&](std::size_t begin, std::size_t end, std::size_t) {
                          for (std::size_t i = begin; i < end; ++i) sum += i;
                          return true;
                        }) &&
           sum == 4'950;
  };
  REQUIRE(sums_up());
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(60);  // Instead of waiting forever.
    ::_exit(sums_up() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
#endif

}  // namespace
}  // namespace anear::core_test
