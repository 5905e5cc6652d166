// How long searches of a store take: alone, beside a thread that replaces records, and while the
// store finishes its index, images and compactions. One thread searches, one writes, without an
// interpreter between them and the store.
//
//   store_latency ROWS.npy DIRECTORY RECORDS SECONDS     ROWS: f16, as in bench/data
//
// Prints one line of JSON: µs of idle, ingest and finish, and what was written meanwhile.
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "store_rows.hpp"

namespace {

using namespace anear;
using namespace anear::bench;

constexpr std::size_t kFillBatch = 1'000, kReplacedBatch = 100, kQueries = 1'000;

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
  const TemporaryFolder folder(arguments[2]);
  Store store = std::move(*checked(Store::open(folder.path + "/store")));
  const Collection docs = create_docs(store, rows.dimension);
  Writer writer(docs, rows);
  for (std::size_t first = 0; first < records; first += kFillBatch)
    writer.write(first, std::min(kFillBatch, records - first));
  (void)checked(Collection(docs).flush());

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
    (void)checked(Collection(docs).flush());
    writing = false;
  });
  reader.search_while("finish", [&] { return writing.load(); });
  finishing.join();
  std::printf("\"written_per_s\": %.0f, \"finish_s\": %.2f}\n",
              static_cast<double>(written) / seconds, seconds_since(start));
  return 0;
}
