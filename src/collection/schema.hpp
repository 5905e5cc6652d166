// Schemas: checked where they enter, and turned into manifests and back.
//
// Threads: pure functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "anear/collection/options.hpp"
#include "anear/core/error.hpp"
#include "anear/filter/expression.hpp"
#include "anear/storage/manifest.hpp"

namespace anear {

/// Limits of a schema (docs/FORMAT.md).
inline constexpr std::size_t kVectorsMax = 64;
inline constexpr std::size_t kFieldsMax = 1'024;
inline constexpr std::size_t kNameBytesMax = 128;

/// Whether `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text) noexcept;

/// A name by the rule of CollectionSchema. `what` begins the message: "collection", "field".
Status check_name(std::string_view name, const char* what);

/// Everything that create_collection() refuses.
Status check_schema(const CollectionSchema& schema);

/// The vectors, fields and `dynamic` of a manifest.
void put_schema(const CollectionSchema& schema, storage::CollectionManifest& manifest);
/// kUnsupportedFormat when an index is of a kind this version does not know.
Result<CollectionSchema> schema_of(const storage::CollectionManifest& manifest);

FieldTypes field_types(const CollectionSchema& schema);

/// "'a', 'b'" for a message: the member `name` of each entry.
template <typename Entries, typename Name>
std::string listed(const Entries& entries, Name name) {
  std::string all;
  for (const auto& entry : entries) {
    all += all.empty() ? "'" : ", '";
    all += std::invoke(name, entry) + "'";
  }
  return all;
}

/// The place of the vector called `name` in the schema; an empty name means the only one.
/// kInvalidArgument (kUnknownVector) names those there are.
Result<std::size_t> vector_number(const CollectionSchema& schema, std::string_view name);

}  // namespace anear
