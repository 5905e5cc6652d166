// The manifests of a collection and of a store, and the schema that a collection's manifest says.
#include "anear/storage/manifest.hpp"
#include "collection/schema.hpp"
#include "sealed_bytes.hpp"

namespace anear::fuzz {
namespace manifest_target {
namespace {

using namespace storage;

void check_collection(const CollectionManifest& manifest) {
  const std::string once = encode_manifest(manifest);
  const auto again = decode_manifest(once);
  // A name with a zero byte is written up to it, and may then be none.
  if (again) require(encode_manifest(*again) == once, "writing a manifest is repeatable");
  for (const ManifestImage& image : manifest.images)
    require(image.file.find('/') == std::string::npos, "an image stands in the images' directory");
  const auto schema = schema_of(manifest);
  if (!schema) return;
  CollectionManifest written;
  put_schema(*schema, written);
  const auto reread = schema_of(written);
  require(reread.has_value(), "a schema that was read can be written and read again");
  require(reread->vectors.size() == schema->vectors.size(), "a schema keeps its vectors");
}

void run(std::string_view bytes) {
  const Exact raw(bytes);
  (void)decode_manifest(raw.view());
  (void)decode_store_meta(raw.view());
  const Exact stored(sealed(bytes));
  const auto manifest = decode_manifest(stored.view());
  if (manifest) check_collection(*manifest);
  const auto meta = decode_store_meta(stored.view());
  if (!meta) return;
  const auto again = decode_store_meta(encode_store_meta(*meta));
  require(again && again->identity.id == meta->identity.id, "a store's manifest keeps its id");
}

std::vector<std::string> seeds() {
  CollectionManifest manifest;
  manifest.number = 7;
  manifest.name = "docs";
  manifest.created = 1'700'000'000'000'000;
  CollectionSchema schema;
  schema.vectors = {{.name = "text", .dimension = 384, .kind = ScalarKind::kF16},
                    {.name = "image", .dimension = 8, .index = IvfPqOptions{}},
                    {.name = "flat", .dimension = 3, .index = FlatOptions{}}};
  schema.fields = {{"section", FieldType::kString}, {"tags", FieldType::kStringList}};
  schema.dynamic = true;
  put_schema(schema, manifest);
  manifest.images = {{"7-0-12.image", 12, 0, 90, {{"7-0-3.rows", 64}, {"7-0-4.rows", 20}}}};
  manifest.next_slot = 99;
  manifest.next_file = 5;
  CollectionManifest bare;
  bare.name = "x";
  return {unsealed(encode_manifest(manifest)), unsealed(encode_manifest(bare)),
          unsealed(encode_store_meta(StoreMeta{}))};
}

}  // namespace
}  // namespace manifest_target

extern const Target kManifestTarget;
const Target kManifestTarget = {"manifest", manifest_target::run, manifest_target::seeds, 10'000};

}  // namespace anear::fuzz
