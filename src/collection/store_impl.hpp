// What a Store is made of: its runtime and its collections. store.cpp has the calls, refresh.cpp
// how a reader follows a writer, resume.cpp how a writer goes on after a failure of the disk.
//
// Threads: members say which lock owns them.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "anear/collection/store.hpp"
#include "anear/storage/manifest.hpp"
#include "collection/store_runtime.hpp"

namespace anear {

struct Store::Impl {
  std::shared_ptr<StoreRuntime> runtime;
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Collection::Impl>, std::less<>> collections;
  storage::StoreMeta meta;  ///< Under `mutex`.

  Status open();
  Status load_collections();
  std::vector<std::shared_ptr<Collection::Impl>> all_collections() const;
  Status close();

  /// Brings a read-only store to the newest state, or leaves it as it is. `refreshing` is held.
  Status refresh();
  /// Opens the bytes of a store that has stopped anew; nothing where it has not.
  Status resume();
  /// Calls refresh() every StoreOptions::follow_every_ms, in a thread of its own.
  void start_following();
  void stop_following();

 private:
  struct Newer;
  struct Reopened;
  Status open_anew(Reopened& reopened);
  void put_in_place(Reopened& reopened);
  Status go_on();
  /// kLostWrites when the directory is not the one that was opened, though it may have its records.
  Status check_same_store() const;
  Status read_newer(Newer& newer);
  void publish(Newer& newer);
  void follow_regularly();

  std::thread follower_;
  std::mutex following_;
  std::condition_variable stop_asked_;
};

}  // namespace anear
