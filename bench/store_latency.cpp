// How long searches of a store take: alone, beside a thread that replaces records, and while the
// store finishes its index, images and compactions. One thread searches, one writes, without an
// interpreter between them and the store.
//
//   store_latency ROWS.npy DIRECTORY RECORDS SECONDS     ROWS: f16, as in bench/data
//
// Prints one line of JSON: µs of idle, ingest and finish, and what was written meanwhile.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/core/random.hpp"

namespace {

using namespace anear;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kFillBatch = 1'000, kReplacedBatch = 100, kQueries = 1'000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename Outcome>
Outcome checked(Outcome outcome) {
  if (outcome) return outcome;
  std::cerr << outcome.error().message << '\n';
  std::exit(1);
}

/// The matrix of a .npy file of version 1, of f16.
struct Rows {
  explicit Rows(const char* path) {
    constexpr std::size_t kHeadBytes = 10;
    std::ifstream file(path, std::ios::binary);
    std::string head(kHeadBytes, '\0');
    file.read(head.data(), kHeadBytes);
    std::string header(
        static_cast<std::uint8_t>(head[8]) + std::size_t{256} * static_cast<std::uint8_t>(head[9]),
        '\0');
    file.read(header.data(), static_cast<std::streamsize>(header.size()));
    const std::size_t shape = header.find("'shape': (");
    if (!file || header.find("'<f2'") == header.npos || shape == header.npos) {
      std::cerr << path << " is no matrix of f16\n";
      std::exit(1);
    }
    char* next = nullptr;
    count = std::strtoul(header.c_str() + shape + std::strlen("'shape': ("), &next, 10);
    dimension = std::strtoul(next + 1, nullptr, 10);
    numbers.resize(count * dimension);
    file.read(reinterpret_cast<char*>(numbers.data()),
              static_cast<std::streamsize>(numbers.size() * sizeof(Half)));
  }
  MatrixView part(std::size_t first, std::size_t size) const {
    return {numbers.data() + first * dimension, {size, dimension}, ScalarKind::kF16};
  }

  std::vector<Half> numbers;
  std::size_t count = 0, dimension = 0;
};

class Writer {
 public:
  Writer(Collection docs, const Rows& rows) : docs_(std::move(docs)), rows_(rows) {}

  /// Upserts records [first, first + count), with as much metadata as a package has.
  void write(std::size_t first, std::size_t count) {
    std::vector<std::string> names;
    std::vector<Value> sections, sizes, tags;
    for (std::size_t i = first; i < first + count; ++i) {
      Random random(i);
      names.push_back(std::to_string(i));
      sections.emplace_back("section" + std::to_string(random.below(50)));
      sizes.emplace_back(static_cast<std::int64_t>(random.below(100'000)));
      std::vector<std::string> some;
      for (int t = 0; t < 5; ++t) some.push_back("tag::" + std::to_string(random.below(300)));
      tags.emplace_back(std::move(some));
    }
    const std::vector<std::string_view> keys(names.begin(), names.end());
    RecordBatch batch;
    batch.keys = keys;
    batch.vectors.push_back({"embedding", rows_.part(first, count)});
    batch.fields = {{"section", sections}, {"installed_size", sizes}, {"tags", tags}};
    (void)checked(docs_.upsert(batch));
  }

 private:
  Collection docs_;
  const Rows& rows_;
};

class Reader {
 public:
  Reader(Collection docs, const Rows& rows) : docs_(std::move(docs)), rows_(rows) {}

  /// Searches until `going` is over; prints what a search took, in µs.
  template <typename Going>
  void search_while(const char* phase, const Going& going) {
    std::vector<double> micros;
    Query query;
    query.legs.resize(1);
    while (going()) {
      // Rows of the store, moved by a little: their own row would be found at once.
      const std::size_t at = next_++ % kQueries * (rows_.count / kQueries);
      std::vector<Half> half(rows_.dimension);
      std::memcpy(half.data(), rows_.numbers.data() + at * rows_.dimension,
                  half.size() * sizeof(Half));
      std::rotate(half.begin(), half.begin() + 1, half.begin() + 9);
      query.legs.front().query = VectorView(std::span<const Half>(half));
      const auto start = Clock::now();
      (void)checked(docs_.search(query));
      micros.push_back(seconds_since(start) * 1e6);
    }
    std::sort(micros.begin(), micros.end());
    const auto at = [&](std::size_t thousandths) {
      return micros.empty() ? 0 : micros[micros.size() * thousandths / 1'000];
    };
    std::printf(
        "\"%s\": {\"searches\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}, ",
        phase, micros.size(), at(500), at(990), micros.empty() ? 0 : micros.back());
  }

 private:
  Collection docs_;
  const Rows& rows_;
  std::size_t next_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) {
    std::cerr << "usage: store_latency ROWS.npy DIRECTORY RECORDS SECONDS\n";
    return 2;
  }
  const Rows rows(arguments[1]);
  const std::size_t records = std::min(rows.count, std::strtoul(arguments[3], nullptr, 10));
  const double seconds = std::strtod(arguments[4], nullptr);
  Store store = std::move(*checked(Store::open(arguments[2])));
  Collection docs = *checked(store.create_collection(
      "docs", {.vectors = {{.name = "embedding", .dimension = rows.dimension}},
               .fields = {{"section", FieldType::kString},
                          {"installed_size", FieldType::kInt64},
                          {"tags", FieldType::kStringList}}}));
  Writer writer(docs, rows);
  for (std::size_t first = 0; first < records; first += kFillBatch)
    writer.write(first, std::min(kFillBatch, records - first));
  (void)checked(docs.flush());

  Reader reader(docs, rows);
  const auto for_seconds = [](double limit) {
    return [start = Clock::now(), limit] { return seconds_since(start) < limit; };
  };
  std::printf("{");
  reader.search_while("idle", for_seconds(seconds));
  std::atomic<bool> writing{true};
  std::size_t written = 0;
  std::thread replacing([&] {
    for (const auto going = for_seconds(seconds); going(); written += kReplacedBatch)
      writer.write(written % (records - kReplacedBatch), kReplacedBatch);
    writing = false;
  });
  reader.search_while("ingest", [&] { return writing.load(); });
  replacing.join();
  writing = true;
  const auto start = Clock::now();
  std::thread finishing([&] {
    (void)checked(docs.flush());
    writing = false;
  });
  reader.search_while("finish", [&] { return writing.load(); });
  finishing.join();
  std::printf("\"written_per_s\": %.0f, \"finish_s\": %.2f}\n",
              static_cast<double>(written) / seconds, seconds_since(start));
  return 0;
}
