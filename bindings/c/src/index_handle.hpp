// What anear_index is: an index, and what the C++ class leaves to its caller: writers against
// save(), and a pool of scratch memory, each behind a lock. Apart from the other handles, since few
// need the indexes.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "anear.h"
#include "anear/index/flat_index.hpp"
#include "anear/index/hnsw_index.hpp"
#include "anear/index/ivf_pq_index.hpp"

namespace anear::c {

/// Scratch memory that is kept between searches: making it costs more than a search.
class ScratchPool {
 public:
  class Lease {
   public:
    Lease(ScratchPool& pool, Scratch& scratch) noexcept : pool_(&pool), scratch_(&scratch) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_->give_back(*scratch_); }
    Scratch& operator*() const noexcept { return *scratch_; }

   private:
    ScratchPool* pool_;
    Scratch* scratch_;
  };

  Lease lease();

 private:
  void give_back(Scratch& scratch) noexcept;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> all_;
  std::vector<Scratch*> free_;  ///< Its capacity is never below all_.size().
};

using IndexVariant = std::variant<FlatIndex, HnswIndex, IvfPqIndex>;

}  // namespace anear::c

struct anear_index {
  explicit anear_index(anear::c::IndexVariant made) : index(std::move(made)) {}

  anear::c::IndexVariant index;
  mutable std::mutex writer;
  mutable anear::c::ScratchPool scratches;
};
