#include "anear/storage/manifest.hpp"

#include <algorithm>

#include "sealed.hpp"
#include "storage/schema/manifest_generated.h"

namespace anear::storage {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;

Error damaged(std::string_view what) {
  return Error{ErrorCode::kCorruption, std::string(what) + " is damaged", Subcode::kChecksum};
}

/// Opens any bytes as a manifest of a format that is known.
Status open_manifest(std::string_view bytes, Unsealed<fb::Manifest>& manifest) {
  if (!manifest.open(bytes)) return damaged("a manifest");
  if (manifest->format() <= kFormatVersion) return {};
  return Error{ErrorCode::kUnsupportedFormat,
               "a manifest has format " + std::to_string(manifest->format()) +
                   "; this anear reads formats up to " + std::to_string(kFormatVersion),
               Subcode::kNewerFormat};
}

flatbuffers::Offset<fb::VectorInfo> build_vector(Builder& builder, const ManifestVector& vector) {
  std::vector<flatbuffers::Offset<fb::Parameter>> parameters;
  parameters.reserve(vector.parameters.size());
  for (const ManifestParameter& parameter : vector.parameters) {
    parameters.push_back(
        fb::CreateParameterDirect(builder, parameter.name.c_str(), parameter.value));
  }
  return fb::CreateVectorInfoDirect(
      builder, vector.name.c_str(), vector.dimension, static_cast<std::uint8_t>(vector.metric),
      static_cast<std::uint8_t>(vector.kind), vector.index.c_str(), &parameters);
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

bool read_vector(const fb::VectorInfo& from, ManifestVector& to) {
  if (from.metric() > static_cast<std::uint8_t>(Metric::kCosine)) return false;
  if (from.scalar() > static_cast<std::uint8_t>(ScalarKind::kI8)) return false;
  if (from.dimension() == 0 || from.dimension() > kDimensionMax) return false;
  to = {to_string(*from.name()),
        from.dimension(),
        static_cast<Metric>(from.metric()),
        static_cast<ScalarKind>(from.scalar()),
        to_string(*from.index()),
        {}};
  if (from.parameters() == nullptr) return true;
  for (const fb::Parameter* parameter : *from.parameters()) {
    to.parameters.push_back({to_string(*parameter->name()), parameter->value()});
  }
  return true;
}

bool read_field(const fb::FieldInfo& from, ManifestField& to) {
  const auto type = static_cast<FieldType>(from.type());
  if (type == FieldType::kAny || type > FieldType::kJson) return false;
  to = {to_string(*from.name()), type};
  return true;
}

bool read_row_file(const fb::RowFileInfo& from, ManifestRowFile& to) {
  to = {to_string(*from.file()), from.rows()};
  return is_file_name(to.file);
}

/// Reads a list by `read`; false when one of its entries is not acceptable.
template <typename From, typename To>
bool read_all(const flatbuffers::Vector<flatbuffers::Offset<From>>* from, std::vector<To>& to,
              bool (*read)(const From&, To&)) {
  if (from == nullptr) return true;
  to.resize(from->size());
  for (flatbuffers::uoffset_t i = 0; i < from->size(); ++i) {
    if (!read(*from->Get(i), to[i])) return false;
  }
  return true;
}

bool read_image(const fb::ImageInfo& from, ManifestImage& to) {
  to = {to_string(*from.file()), from.sequence(), from.vector(), from.next_slot(), {}};
  return is_file_name(to.file) && read_all(from.rows(), to.rows, read_row_file);
}

flatbuffers::Offset<fb::ImageInfo> build_image(Builder& builder, const ManifestImage& image) {
  std::vector<flatbuffers::Offset<fb::RowFileInfo>> rows;
  rows.reserve(image.rows.size());
  for (const ManifestRowFile& file : image.rows)
    rows.push_back(fb::CreateRowFileInfoDirect(builder, file.file.c_str(), file.rows));
  return fb::CreateImageInfoDirect(builder, image.file.c_str(), image.sequence, image.vector,
                                   image.next_slot, &rows);
}

}  // namespace

std::string encode_manifest(const CollectionManifest& manifest) {
  Builder builder(1'024);
  std::vector<flatbuffers::Offset<fb::VectorInfo>> vectors;
  vectors.reserve(manifest.vectors.size());
  for (const ManifestVector& vector : manifest.vectors) {
    vectors.push_back(build_vector(builder, vector));
  }
  std::vector<flatbuffers::Offset<fb::FieldInfo>> fields;
  fields.reserve(manifest.fields.size());
  for (const ManifestField& field : manifest.fields) {
    fields.push_back(fb::CreateFieldInfoDirect(builder, field.name.c_str(),
                                               static_cast<std::uint8_t>(field.type)));
  }
  std::vector<flatbuffers::Offset<fb::ImageInfo>> images;
  images.reserve(manifest.images.size());
  for (const ManifestImage& image : manifest.images) images.push_back(build_image(builder, image));
  const auto collection = fb::CreateCollectionDirect(
      builder, manifest.number, manifest.name.c_str(), manifest.created, &vectors, &fields,
      manifest.dynamic, &images, manifest.next_slot, manifest.next_file);
  builder.Finish(fb::CreateManifest(builder, kFormatVersion, collection));
  return seal(builder);
}

Result<CollectionManifest> decode_manifest(std::string_view bytes) {
  Unsealed<fb::Manifest> manifest;
  if (Status opened = open_manifest(bytes, manifest); !opened) return std::move(opened).error();
  const fb::Collection* const from = manifest->collection();
  if (from == nullptr) return damaged("a collection's manifest");
  CollectionManifest to;
  to.number = from->number();
  to.name = to_string(*from->name());
  to.created = from->created();
  to.dynamic = from->dynamic();
  to.next_slot = from->next_slot();
  to.next_file = from->next_file();
  const bool readable = read_all(from->vectors(), to.vectors, read_vector) &&
                        read_all(from->fields(), to.fields, read_field) &&
                        read_all(from->images(), to.images, read_image);
  if (!readable) return damaged("the manifest of collection '" + to.name + "'");
  return to;
}

std::string encode_store_meta(const StoreMeta& meta) {
  Builder builder(256);
  const auto id = builder.CreateVector(meta.identity.id.data(), meta.identity.id.size());
  const auto store = fb::CreateStore(builder, meta.identity.format, id, meta.identity.created,
                                     meta.next_collection);
  builder.Finish(fb::CreateManifest(builder, kFormatVersion, 0, store));
  return seal(builder);
}

Result<StoreMeta> decode_store_meta(std::string_view bytes) {
  Unsealed<fb::Manifest> manifest;
  if (Status opened = open_manifest(bytes, manifest); !opened) return std::move(opened).error();
  const fb::Store* const from = manifest->store();
  StoreMeta to;
  if (from == nullptr || from->store()->size() != to.identity.id.size()) {
    return damaged("the store's manifest");
  }
  to.identity.format = from->format();
  std::copy(from->store()->begin(), from->store()->end(), to.identity.id.begin());
  to.identity.created = from->created();
  to.next_collection = from->next_collection();
  return to;
}

}  // namespace anear::storage
