// What a disk may hold after its power was cut. What was synced is there. Of the rest, bytes and
// names each by a rule of their own, since a disk writes them in any order: the bytes of a file
// are durable by its sync, its name (and that it was renamed or removed) by that of its directory.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "anear/core/random.hpp"
#include "support/traced_disk.hpp"

namespace anear::testing {

/// What becomes of the bytes of a file that were not synced.
enum class LostBytes : std::uint8_t {
  kAll,          ///< None is there.
  kNone,         ///< All are there.
  kSome,         ///< A random half of the writes is there.
  kTail,         ///< The writes up to one of them are there, that one in part.
  kSectors,      ///< Each 512 bytes are there or not.
  kPages,        ///< Each 4 KiB are there or not.
  kZeros,        ///< The file has grown, what was written is zeros.
  kLength,       ///< What was written in place is there, the file has not grown.
  kEachAnother,  ///< One of the above for each file.
};
inline constexpr std::array kLostBytesNames = {"all lost",  "none lost",    "some writes lost",
                                               "tail lost", "sectors lost", "pages lost",
                                               "zeros",     "length lost",  "each file another"};

/// What becomes of the changes of names that were not synced.
enum class LostNames : std::uint8_t {
  kAll,
  kNone,
  kSome,  ///< A random half of them is there.
  kTail,  ///< Those of each directory up to one of them are there.
};
inline constexpr std::array kLostNamesNames = {"names lost", "names kept", "some names lost",
                                               "last names lost"};

struct PowerLoss {
  LostBytes bytes = LostBytes::kAll;
  LostNames names = LostNames::kAll;
};

inline std::string described(const PowerLoss& loss) {
  return std::string(kLostBytesNames[static_cast<std::size_t>(loss.bytes)]) + ", " +
         kLostNamesNames[static_cast<std::size_t>(loss.names)];
}

inline PowerLoss random_loss(Random& random) {
  return {static_cast<LostBytes>(random.below(kLostBytesNames.size())),
          static_cast<LostNames>(random.below(kLostNamesNames.size()))};
}

/// Makes the disk of one moment.
class LostPower {
 public:
  /// Of a disk that held `begin` and then saw `changes`.
  LostPower(const DiskFiles& begin, std::span<const DiskChange> changes) : files_(begin) {
    for (const DiskChange& change : changes) note(change);
  }

  DiskFiles left(const PowerLoss& loss, Random& random) && {
    for (const auto& [file, pending] : bytes_) lose_bytes(file, pending, loss.bytes, random);
    for (const auto& [directory, pending] : names_) lose_names(pending, loss.names, random);
    return std::move(files_);
  }

 private:
  using Pending = std::vector<const DiskChange*>;

  void note(const DiskChange& change) {
    make_file(files_, change);
    switch (change.kind) {
      case DiskChange::Kind::kWrite:
      case DiskChange::Kind::kTruncate:
        bytes_[change.file].push_back(&change);
        break;
      case DiskChange::Kind::kSync:
        for (const DiskChange* each : bytes_[change.file])
          change_bytes(files_[change.file].bytes, *each);
        bytes_.erase(change.file);
        break;
      case DiskChange::Kind::kSyncNames:
        for (const DiskChange* each : names_[change.directory]) change_names(files_, *each);
        names_.erase(change.directory);
        break;
      default:
        names_[change.directory].push_back(&change);
    }
  }

  void lose_bytes(std::uint32_t file, const Pending& pending, LostBytes rule, Random& random) {
    constexpr auto kRules = static_cast<std::uint64_t>(LostBytes::kEachAnother);
    if (rule == LostBytes::kEachAnother) rule = static_cast<LostBytes>(random.below(kRules));
    std::string& bytes = files_[file].bytes;
    switch (rule) {
      case LostBytes::kAll:
        break;
      case LostBytes::kSome:
        keep_some(bytes, pending, random);
        break;
      case LostBytes::kTail:
        keep_first(bytes, pending, random);
        break;
      default:
        keep_sectors(bytes, pending, rule, random);
    }
  }

  static void keep_some(std::string& bytes, const Pending& pending, Random& random) {
    for (const DiskChange* change : pending) {
      if (random.below(2) == 0) change_bytes(bytes, *change);
    }
  }

  static void keep_first(std::string& bytes, const Pending& pending, Random& random) {
    const std::size_t kept = random.below(pending.size() + 1);
    for (std::size_t i = 0; i < kept; ++i) change_bytes(bytes, *pending[i]);
    if (kept == pending.size() || pending[kept]->kind != DiskChange::Kind::kWrite) return;
    DiskChange torn = *pending[kept];
    torn.bytes.resize(random.below(torn.bytes.size() + 1));
    change_bytes(bytes, torn);
  }

  /// Rules by which the file has its new length, or its old one, whatever was written.
  static void keep_sectors(std::string& bytes, const Pending& pending, LostBytes rule,
                           Random& random) {
    std::string all = bytes;
    for (const DiskChange* change : pending) change_bytes(all, *change);
    std::string old = bytes;
    const std::size_t length =
        rule == LostBytes::kLength ? std::min(old.size(), all.size()) : all.size();
    old.resize(all.size(), '\0');
    const std::size_t sector = rule == LostBytes::kSectors ? 512 : 4'096;
    bytes.clear();
    for (std::size_t at = 0; at < all.size(); at += sector) {
      bool kept = rule == LostBytes::kNone || rule == LostBytes::kLength;
      if (rule == LostBytes::kSectors || rule == LostBytes::kPages) kept = random.below(2) == 0;
      bytes += (kept ? all : old).substr(at, sector);
    }
    bytes.resize(length);
  }

  void lose_names(const Pending& pending, LostNames rule, Random& random) {
    const std::size_t first =
        rule == LostNames::kTail ? random.below(pending.size() + 1) : pending.size();
    for (std::size_t i = 0; i < pending.size(); ++i) {
      const bool some = rule == LostNames::kSome && random.below(2) == 0;
      const bool early = rule == LostNames::kTail && i < first;
      if (rule == LostNames::kNone || some || early) change_names(files_, *pending[i]);
    }
  }

  DiskFiles files_;
  std::map<std::uint32_t, Pending> bytes_;
  std::map<std::uint32_t, Pending> names_;
};

}  // namespace anear::testing
