#include "collection/indexes.hpp"

#include <string>
#include <variant>

namespace anear {
namespace {

FlatOptions exact(const VectorSchema& vector) { return {vector.metric, vector.kind}; }

HnswOptions graph(const VectorSchema& vector, HnswOptions options) {
  options.metric = vector.metric;
  options.rows = vector.kind;
  return options;
}

}  // namespace

Result<AnyIndex> make_index(const VectorSchema& vector) {
  if (const auto* options = std::get_if<HnswOptions>(&vector.index))
    return AnyIndex::create(vector.dimension, graph(vector, *options));
  return AnyIndex::create(vector.dimension, exact(vector));
}

Result<AnyIndex> attach_index(const VectorSchema& vector, std::uint32_t kind,
                              const SectionSet& sections) {
  if (kind == FlatIndex::kKind) return AnyIndex::attach(vector.dimension, exact(vector), sections);
  const auto* options = std::get_if<HnswOptions>(&vector.index);
  if (kind == HnswIndex::kKind && options != nullptr)
    return AnyIndex::attach(vector.dimension, graph(vector, *options), sections);
  return Error{ErrorCode::kCorruption, "an image of vector '" + vector.name +
                                           "' holds an index of kind " + std::to_string(kind)};
}

}  // namespace anear
