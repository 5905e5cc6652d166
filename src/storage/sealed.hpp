// A FlatBuffer behind its checksum: | XXH3-64 of the rest, u64 | FlatBuffer |.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/storage/checksum.hpp"

namespace anear::storage {

static_assert(std::endian::native == std::endian::little, "stored numbers are little-endian");

inline constexpr std::size_t kSealBytes = 8;

inline std::string seal(const flatbuffers::FlatBufferBuilder& builder) {
  const std::string_view body(reinterpret_cast<const char*>(builder.GetBufferPointer()),
                              builder.GetSize());
  const std::uint64_t checksum = checksum64(body);
  std::string bytes;
  bytes.reserve(kSealBytes + body.size());
  bytes.append(reinterpret_cast<const char*>(&checksum), kSealBytes);
  return bytes.append(body);
}

/// The checked root of sealed bytes. Keeps a copy when `bytes` is not aligned as FlatBuffers reads.
template <typename Root>
class Unsealed {
 public:
  /// False: damaged.
  bool open(std::string_view bytes) {
    if (bytes.size() <= kSealBytes) return false;
    std::string_view body = bytes.substr(kSealBytes);
    std::uint64_t checksum = 0;
    std::memcpy(&checksum, bytes.data(), kSealBytes);
    if (checksum != checksum64(body)) return false;
    if (reinterpret_cast<std::uintptr_t>(body.data()) % 8 != 0) {
      aligned_.resize(body.size() / 8 + 1);
      std::memcpy(aligned_.data(), body.data(), body.size());
      body = {reinterpret_cast<const char*>(aligned_.data()), body.size()};
    }
    const auto* data = reinterpret_cast<const std::uint8_t*>(body.data());
    flatbuffers::Verifier verifier(data, body.size());
    if (!verifier.VerifyBuffer<Root>(nullptr)) return false;
    root_ = flatbuffers::GetRoot<Root>(data);
    body_ = body.data();
    return true;
  }
  const Root* operator->() const noexcept { return root_; }
  const Root& operator*() const noexcept { return *root_; }
  /// Where `at`, a place in the root, stands behind the seal.
  std::size_t offset_of(const char* at) const noexcept {
    return static_cast<std::size_t>(at - body_);
  }

 private:
  std::vector<std::uint64_t> aligned_;
  const Root* root_ = nullptr;
  const char* body_ = nullptr;
};

inline std::string to_string(const flatbuffers::String& text) { return {text.data(), text.size()}; }

}  // namespace anear::storage
