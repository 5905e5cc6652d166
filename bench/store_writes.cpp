// How many records threads upsert in a second, without an interpreter between them and the store.
//
//   store_writes ROWS.npy DIRECTORY synced|buffered BATCH THREADS SECONDS     ROWS: f16
//
// Prints one line of JSON.
#include <atomic>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "store_rows.hpp"

namespace {

using namespace anear;
using namespace anear::bench;

}  // namespace

int main(int count, char** arguments) {
  if (count != 7) {
    std::cerr << "usage: store_writes ROWS.npy DIRECTORY synced|buffered BATCH THREADS SECONDS\n";
    return 2;
  }
  const Rows rows(arguments[1]);
  const bool synced = std::string_view(arguments[3]) == "synced";
  const std::size_t batch = std::strtoul(arguments[4], nullptr, 10);
  const std::size_t threads = std::strtoul(arguments[5], nullptr, 10);
  const double seconds = std::strtod(arguments[6], nullptr);
  const TemporaryFolder folder(arguments[2]);
  Store store = std::move(
      *checked(Store::open(folder.path + "/store",
                           {.durability = synced ? Durability::kDurable : Durability::kBuffered})));
  Collection docs = create_docs(store, rows.dimension);
  const std::size_t share = rows.count / threads;
  std::atomic<std::size_t> written{0};
  std::vector<std::thread> writers;
  const auto start = Clock::now();
  for (std::size_t thread = 0; thread < threads; ++thread) {
    writers.emplace_back([&, thread] {
      Writer writer(docs, rows);
      for (std::size_t done = 0; done + batch <= share && seconds_since(start) < seconds;
           done += batch) {
        writer.write(thread * share + done, batch);
        written += batch;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const double spent = seconds_since(start);
  const auto stats = checked(docs.stats());
  std::printf("{\"records\": %zu, \"seconds\": %.3f, \"records_per_s\": %.1f, \"lag\": %zu}\n",
              written.load(), spent, static_cast<double>(written) / spent,
              static_cast<std::size_t>(stats->tail_records));
  return 0;
}
