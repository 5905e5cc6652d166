#include "collection/scrub.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>
#include <vector>

#include "anear/storage/store_directory.hpp"
#include "collection/background.hpp"
#include "collection/caught.hpp"
#include "collection/index_loss.hpp"
#include "collection/indexer.hpp"

namespace anear {

/// The bytes of a pass, at the rate of the store's options.
class Scrubber::Reading final : public storage::ByteProgress {
 public:
  explicit Reading(Scrubber& scrubber)
      : scrubber_(scrubber), pace_(scrubber.runtime_.options.scrub_bytes_per_second) {
    scrubber_.bytes_so_far_ = 0;
  }
  Status advance(std::uint64_t bytes) override {
    scrubber_.bytes_so_far_ += bytes;
    if (scrubber_.pause_until(pace_.after(bytes, std::chrono::steady_clock::now()))) return {};
    return Error{ErrorCode::kClosed, "the store is being closed"};
  }

 private:
  Scrubber& scrubber_;
  storage::Pace pace_;
};

Scrubber::Scrubber(StoreRuntime& runtime) : runtime_(runtime) {}

Scrubber::~Scrubber() {
  ask_to_stop();
  stop();
}

void Scrubber::start() {
  const bool asked = runtime_.options.scrub_bytes_per_second != 0;
  if (asked && !runtime_.is_in_memory()) thread_ = std::thread([this] { run(); });
}

void Scrubber::ask_to_stop() {
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  stop_asked_.notify_all();
}

void Scrubber::stop() {
  if (thread_.joinable()) thread_.join();
}

bool Scrubber::pause_until(storage::Pace::Time until) {
  std::unique_lock lock(mutex_);
  return !stop_asked_.wait_until(lock, until, [&] { return stopping_; });
}

void Scrubber::run() {
  yield_to_others();
  constexpr std::chrono::seconds kAfterFailure{60};
  const std::chrono::seconds between(runtime_.options.scrub_every_s);
  Status done;
  do {
    done = caught([&] { return pass(); });
    if (!done) (void)caught([&] { runtime_.log("the scrub: " + done.error().message); });
  } while (pause_until(std::chrono::steady_clock::now() +
                       (done ? between : std::max(between, kAfterFailure))));
}

Status Scrubber::pass() {
  const auto files = files_at_rest(runtime_);
  if (!files) return files.error();
  Reading reading(*this);
  for (const FileAtRest& file : *files) {
    const Status read = check_file_at_rest(runtime_, file, reading);
    if (!pause_until({})) return {};
    note(file, read);
    if (!read && file.kind == FileKind::kImage) replace(file, read.error());
  }
  finish_pass(*files, bytes_so_far_);
  return {};
}

void Scrubber::replace(const FileAtRest& image, const Error& error) {
  if (error.code != ErrorCode::kCorruption || runtime_.options.read_only) return;
  const auto collection = runtime_.indexer->find(image.collection);
  if (collection == nullptr) return;
  if (Status done = replace_index_of(*collection, image.file.path, error.message); !done)
    runtime_.log("building the index again: " + done.error().message);
}

void Scrubber::note(const FileAtRest& file, const Status& status) {
  const std::string& path = file.file.path;
  std::unique_lock lock(mutex_);
  if (status) {
    damage_.erase(path);
    return;
  }
  const Error& error = status.error();
  if (error.code != ErrorCode::kCorruption && error.code != ErrorCode::kIo) return;
  const auto [place, is_new] = damage_.try_emplace(path);
  Damage& damage = place->second;
  if (is_new) damage = {file.collection, {path, {}, storage::micros_now()}};
  damage.told.reason = error.message;
  lock.unlock();
  if (is_new) runtime_.log("damage was found: " + error.message);
}

void Scrubber::finish_pass(const std::vector<FileAtRest>& files, std::uint64_t bytes) {
  std::set<std::string_view> paths;
  for (const FileAtRest& file : files) paths.insert(file.file.path);
  const std::lock_guard hold(mutex_);
  std::erase_if(damage_, [&](const auto& known) { return !paths.contains(known.first); });
  ++stats_.passes;
  stats_.finished = storage::micros_now();
  stats_.files = files.size();
  stats_.bytes = bytes;
}

ScrubStats Scrubber::stats() const {
  const std::lock_guard hold(mutex_);
  ScrubStats stats = stats_;
  stats.bytes_so_far = bytes_so_far_;
  for (const auto& [path, damage] : damage_) stats.damaged.push_back(damage.told);
  return stats;
}

std::uint64_t Scrubber::damaged_files(std::uint32_t collection) const {
  const std::lock_guard hold(mutex_);
  return static_cast<std::uint64_t>(
      std::count_if(damage_.begin(), damage_.end(), [&](const auto& known) {
        const std::uint32_t of = known.second.collection;
        return of == 0 || of == collection;
      }));
}

}  // namespace anear
