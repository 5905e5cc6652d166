// Growable rows of one fixed stride that never move: the storage of codes, rows and links of an
// index.
//
//   row i → chunk_[i >> shift] + (i & mask) · stride         a chunk: a power of two of rows, about
//   2 MiB, 64-byte aligned
//
// Invariants
//   (1) A row keeps its address from append to destruction: a reader may hold it while others
//   append. (2) The table of chunks has its final size from the start (capacity for kRowsMax rows),
//   so it never moves either. (3) Rows that were adopted from a mapped image are used in place;
//   `owner` keeps the mapping alive. (4) A row of a guarded piece is checked before the constant
//   row() gives it away; intact() tells what came of that.
//
// Threads: one writer calls grow_to(); any number of readers use row(i) for an i that was published
// to them after the growth (by a release store of the writer, such as a link that leads to i).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "anear/core/assert.hpp"
#include "anear/core/block_guard.hpp"
#include "anear/core/error.hpp"

namespace anear {

class AlignedRows {
 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kChunkBytes = std::size_t{2} << 20;
  static constexpr std::uint64_t kRowsMax = std::uint64_t{1} << 32;

  /// `stride`: bytes of one row, at least 1. Rows are as aligned as the stride allows; a multiple
  /// of 64 aligns each one.
  explicit AlignedRows(std::size_t stride = 1) : stride_(stride) {
    ANEAR_ASSERT(stride > 0);
    while ((std::size_t{2} << shift_) * stride <= kChunkBytes) ++shift_;
  }
  AlignedRows(AlignedRows&& other) noexcept { swap(other); }
  AlignedRows& operator=(AlignedRows&& other) noexcept {
    AlignedRows moved(std::move(other));
    swap(moved);
    return *this;
  }
  AlignedRows(const AlignedRows&) = delete;
  AlignedRows& operator=(const AlignedRows&) = delete;
  ~AlignedRows() = default;

  /// For writing, and reading what was not adopted with a guard.
  std::byte* row(std::size_t index) noexcept {
    return table_[index >> shift_].load(std::memory_order_acquire) + (index & mask()) * stride_;
  }
  const std::byte* row(std::size_t index) const noexcept {
    if (index < guarded_rows_) [[unlikely]]
      check(index);
    return address_of(index);
  }
  /// For a hint to the processor: what stands there is not checked.
  const std::byte* address_of(std::size_t index) const noexcept {
    return table_[index >> shift_].load(std::memory_order_acquire) + (index & mask()) * stride_;
  }
  /// BlockGuard::status() of all guards. To be asked after rows were read, before what was made of
  /// them counts.
  Status intact() const {
    for (const BlockGuard* guard : all_guards_) {
      if (!guard->intact()) return guard->status();
    }
    return {};
  }
  /// Checks every guarded row from `first` on; intact().
  Status check_from(std::size_t first) const {
    if (first == 0) {
      for (const BlockGuard* guard : all_guards_) guard->touch_all();
    } else {
      for (; first < guarded_rows_; first = ((first >> shift_) + 1) << shift_) {
        const std::size_t rows = chunk_rows() - (first & mask());
        if (const BlockGuard* const guard = guards_[first >> shift_])
          guard->touch({address_of(first), rows * stride_});
      }
    }
    return intact();
  }
  std::size_t stride() const noexcept { return stride_; }
  /// Rows that have memory.
  std::size_t capacity() const noexcept { return chunks_ << shift_; }
  /// Bytes of memory held, adopted ones included.
  std::size_t bytes() const noexcept { return capacity() * stride_; }

  /// Makes room for `rows` rows, zeroed. std::bad_alloc leaves everything as it was.
  void grow_to(std::size_t rows) {
    if (rows <= capacity()) return;
    const std::size_t wanted = (rows + mask()) >> shift_;
    if (wanted > tables_) grow_table(wanted);
    own_.reserve(wanted);
    while (chunks_ < wanted) {
      Chunk chunk = allocate_chunk();
      std::byte* const start = chunk.get();
      add_chunk(std::move(chunk), start);
    }
  }

  /// Rows of one chunk.
  std::size_t chunk_rows() const noexcept { return std::size_t{1} << shift_; }

  /// Takes over the rows that stand in `pieces`, one after another, each 64-byte aligned, writable
  /// and of whole rows, kept alive with its guard by `owner`. Whole chunks are used in place; a
  /// last partial one, and one that two pieces share, is copied. Only on an empty AlignedRows.
  void adopt(std::span<const GuardedBytes> pieces, const std::shared_ptr<void>& owner) {
    ANEAR_ASSERT(chunks_ == 0);
    std::size_t rows = 0;
    for (const GuardedBytes& piece : pieces) rows += piece.bytes.size() / stride_;
    const std::size_t chunk_bytes = chunk_rows() * stride_;
    std::size_t begun = 0;  // Bytes of the last chunk that are there.
    for (const GuardedBytes& guarded : pieces) {
      std::span<std::byte> piece = guarded.bytes;
      if (guarded.guard != nullptr) all_guards_.push_back(guarded.guard);
      while (!piece.empty()) {
        const bool in_place = begun == 0 && piece.size() >= chunk_bytes;
        if (in_place) {
          guards_.resize(chunks_ + 1);
          guards_.back() = guarded.guard;
          add_chunk(Chunk(nullptr, Free{}), piece.data());
        } else if (begun == 0) {
          grow_to((chunks_ << shift_) + 1);
        }
        const std::size_t bytes = std::min(piece.size(), chunk_bytes - begun);
        if (!in_place) {
          if (guarded.guard != nullptr) guarded.guard->touch(piece.first(bytes));
          std::memcpy(row((chunks_ - 1) << shift_) + begun, piece.data(), bytes);
        }
        begun = in_place || begun + bytes == chunk_bytes ? 0 : begun + bytes;
        piece = piece.subspan(bytes);
      }
    }
    ANEAR_ASSERT(capacity() >= rows);
    if (!all_guards_.empty()) guarded_rows_ = guards_.size() << shift_;
    owner_ = owner;
  }
  /// The same for rows that stand together.
  void adopt(std::span<std::byte> bytes, std::size_t rows, const std::shared_ptr<void>& owner) {
    const GuardedBytes piece{bytes.first(rows * stride_)};
    adopt({&piece, 1}, owner);
  }

  /// The bytes of the first `rows` rows, piece by piece. Not checked: see check_from().
  std::vector<std::span<const std::byte>> pieces(std::size_t rows) const {
    std::vector<std::span<const std::byte>> pieces;
    for (std::size_t first = 0; first < rows; first += mask() + 1) {
      const std::size_t count = std::min(rows - first, mask() + 1);
      pieces.emplace_back(address_of(first), count * stride_);
    }
    return pieces;
  }

 private:
  // calloc: the system hands out zeroed pages when they are first touched, so that a small index
  // costs little memory.
  struct Free {
    std::byte* start = nullptr;
    void operator()(std::byte*) const noexcept { std::free(start); }
  };
  using Chunk = std::unique_ptr<std::byte[], Free>;

  std::size_t mask() const noexcept { return (std::size_t{1} << shift_) - 1; }

  // Out of line, so that row() is small where there are no guards.
  [[gnu::noinline]] void check(std::size_t index) const noexcept {
    const BlockGuard* const guard = guards_[index >> shift_];
    if (guard != nullptr) guard->touch({address_of(index), stride_});
  }

  /// `start`: of the chunk's rows, where they are not the chunk's own.
  void add_chunk(Chunk chunk, std::byte* start) {
    if (chunks_ == tables_) grow_table(chunks_ + 1);
    own_.push_back(std::move(chunk));
    table_[chunks_].store(start, std::memory_order_release);
    ++chunks_;
  }

  Chunk allocate_chunk() const {
    const std::size_t bytes = (std::size_t{1} << shift_) * stride_;
    auto* start = static_cast<std::byte*>(std::calloc(bytes + kAlignment, 1));
    if (start == nullptr) throw std::bad_alloc();
    const auto past = reinterpret_cast<std::uintptr_t>(start) % kAlignment;
    return Chunk(start + (past == 0 ? 0 : kAlignment - past), Free{start});
  }

  // The table is a list of pointers that readers follow without a lock. A grown copy is published
  // whole and the old one is kept: together they are never larger than twice the last.
  void grow_table(std::size_t wanted) {
    const std::size_t size = std::max<std::size_t>({wanted, tables_ * 2, 16});
    auto grown = std::make_unique<std::atomic<std::byte*>[]>(size);
    for (std::size_t i = 0; i < size; ++i) {
      grown[i].store(i < chunks_ ? table_[i].load(std::memory_order_relaxed) : nullptr,
                     std::memory_order_relaxed);
    }
    retired_.push_back(std::move(grown));
    table_.store(retired_.back().get());
    tables_ = size;
  }

  // An atomic pointer that reads as the array it points to.
  struct Table {
    std::atomic<std::atomic<std::byte*>*> first{nullptr};
    std::atomic<std::byte*>& operator[](std::size_t index) const noexcept {
      return first.load(std::memory_order_acquire)[index];
    }
    void store(std::atomic<std::byte*>* table) noexcept {
      first.store(table, std::memory_order_release);
    }
  };

  void swap(AlignedRows& other) noexcept {
    std::swap(stride_, other.stride_);
    std::swap(shift_, other.shift_);
    chunks_.store(other.chunks_.exchange(chunks_.load()));
    std::swap(tables_, other.tables_);
    std::swap(own_, other.own_);
    std::swap(retired_, other.retired_);
    std::swap(owner_, other.owner_);
    std::swap(guarded_rows_, other.guarded_rows_);
    guards_.swap(other.guards_);
    all_guards_.swap(other.all_guards_);
    std::atomic<std::byte*>* mine = table_.first.load(std::memory_order_relaxed);
    table_.store(other.table_.first.load(std::memory_order_relaxed));
    other.table_.store(mine);
  }

  std::size_t stride_ = 1;
  std::size_t shift_ = 0;
  std::atomic<std::size_t> chunks_{0};  ///< Read by capacity() beside a writer.
  std::size_t tables_ = 0;
  Table table_;
  std::vector<Chunk> own_;
  std::vector<std::unique_ptr<std::atomic<std::byte*>[]>> retired_;
  std::shared_ptr<void> owner_;
  std::size_t guarded_rows_ = 0;           ///< Rows from there on are in memory of our own.
  std::vector<const BlockGuard*> guards_;  ///< Of each adopted chunk; null where it needs none.
  std::vector<const BlockGuard*> all_guards_;
};

}  // namespace anear
