// What a store says of itself and of each collection, as bytes under keys of Family::kMeta.
//
//   | XXH3-64 of what follows, u64 | FlatBuffer (manifest.fbs) |
//
// Plain structs: storage knows names and numbers, only the collection knows what they mean.
//
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "anear/core/error.hpp"
#include "anear/core/types.hpp"
#include "anear/core/value.hpp"
#include "anear/storage/store_directory.hpp"

namespace anear::storage {

/// One number of an index's options, by name: what a reader does not know it can skip. Exact for
/// integers up to 2^53.
struct ManifestParameter {
  std::string name;
  double value = 0;
  friend bool operator==(const ManifestParameter&, const ManifestParameter&) = default;
};

struct ManifestVector {
  std::string name;
  std::uint32_t dimension = 0;
  Metric metric = Metric::kCosine;
  ScalarKind kind = ScalarKind::kF32;
  std::string index;  ///< "flat", "hnsw", "ivf_pq", …
  std::vector<ManifestParameter> parameters;
  friend bool operator==(const ManifestVector&, const ManifestVector&) = default;
};

struct ManifestField {
  std::string name;
  FieldType type = FieldType::kString;
  friend bool operator==(const ManifestField&, const ManifestField&) = default;
};

/// A file with rows of an index, in the order of its positions.
struct ManifestRowFile {
  std::string file;  ///< A name in kRowFilesDirectory: no '/', not "." or "..".
  std::uint64_t rows = 0;
  friend bool operator==(const ManifestRowFile&, const ManifestRowFile&) = default;
};

/// An image file the collection opens with.
struct ManifestImage {
  std::string file;          ///< A name in kImagesDirectory: no '/', not "." or "..".
  Sequence sequence = 0;     ///< Commits up to here are in it.
  std::uint32_t vector = 0;  ///< Which vector it indexes; the caller's number.
  /// Of the slots image: slots below are in it. Of the others 0, so that an older anear, which took
  /// slots below for indexed, reads all rows that are in no file.
  Slot next_slot = 0;
  std::vector<ManifestRowFile> rows;  ///< Where its rows stand, one file after another.
  friend bool operator==(const ManifestImage&, const ManifestImage&) = default;
};

struct CollectionManifest {
  std::uint32_t number = 0;  ///< The prefix of its keys. Never used again after a drop.
  std::string name;
  std::int64_t created = 0;  ///< Microseconds UTC.
  std::vector<ManifestVector> vectors;
  std::vector<ManifestField> fields;
  bool dynamic = false;
  std::vector<ManifestImage> images;
  Slot next_slot = 0;  ///< Slots below were given out when this was written; later ones may be too.
  std::uint64_t next_file = 0;  ///< For the name of the next file.
  friend bool operator==(const CollectionManifest&, const CollectionManifest&) = default;
};

/// About the store as a whole.
struct StoreMeta {
  StoreIdentity identity;             ///< As in the identity file.
  std::uint32_t next_collection = 1;  ///< The number the next collection gets.
};

std::string encode_manifest(const CollectionManifest& manifest);
/// Any bytes: a manifest, kCorruption, or kUnsupportedFormat (kNewerFormat).
Result<CollectionManifest> decode_manifest(std::string_view bytes);

std::string encode_store_meta(const StoreMeta& meta);
Result<StoreMeta> decode_store_meta(std::string_view bytes);

}  // namespace anear::storage
