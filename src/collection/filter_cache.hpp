// Sets of slots that parts of filters were resolved to, kept for as long as no commit touches their
// field: what makes a repeated filter cheap. Nothing about vectors or queries is kept.
//
// Invariant: an entry made from a view of sequence s answers a view of sequence v when s = v, or
// when the newest commit that touched the field is at or before both. The commit leader therefore
// calls touch() before a view of that commit can exist.
//
// Threads: every function may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "anear/core/slot_set.hpp"
#include "anear/core/types.hpp"

namespace anear {

class FilterCache {
 public:
  /// Keeps at most about `bytes_max`; what was not asked for longest goes first.
  explicit FilterCache(std::size_t bytes_max = std::size_t{64} << 20) noexcept;
  /// Before it is used.
  void set_bytes_max(std::size_t bytes_max) noexcept { bytes_max_ = bytes_max; }

  /// Which set: `text` is the canonical text of one predicate on `field`.
  struct Name {
    std::uint32_t collection;
    std::string_view field;
    std::string_view text;
  };

  /// The set of `name` as a view of `sequence` sees it, or null. It may hold slots that are no
  /// longer live.
  std::shared_ptr<const SlotSet> find(const Name& name, Sequence sequence);
  /// Keeps `slots`, read from a view of `sequence`. Sets too large for the budget are not kept.
  void keep(const Name& name, Sequence sequence, std::shared_ptr<const SlotSet> slots);
  /// The commit `sequence` changes who has which value of `field`.
  void touch(std::uint32_t collection, std::string_view field, Sequence sequence);
  /// The commits up to `sequence` may have changed any field.
  void touch_all(Sequence sequence);
  /// Forgets a dropped collection.
  void forget(std::uint32_t collection);

  std::size_t bytes() const;

 private:
  struct Entry {
    std::string key;
    Sequence sequence = 0;
    std::size_t bytes = 0;
    std::shared_ptr<const SlotSet> slots;
  };
  using Entries = std::list<Entry>;

  Sequence newest_touch(std::uint32_t collection, std::string_view field) const;
  void drop(Entries::iterator entry);

  std::size_t bytes_max_;
  mutable std::mutex mutex_;
  Entries entries_;                                                 ///< Most recently used first.
  std::unordered_map<std::string_view, Entries::iterator> by_key_;  ///< Views of Entry::key.
  std::unordered_map<std::string, Sequence> touched_;               ///< By collection and field.
  Sequence touched_all_ = 0;  ///< For fields that are not in `touched_`.
  std::size_t bytes_ = 0;
};

}  // namespace anear
