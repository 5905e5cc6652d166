#include "collection/schema.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <type_traits>
#include <utility>
#include <variant>

#include "collection/indexes.hpp"

namespace anear {
namespace {

bool is_letter(char byte) noexcept {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80;
}

bool is_inside_name(char byte) noexcept {
  return is_letter(byte) || (byte >= '0' && byte <= '9') || byte == '.' || byte == '-';
}

/// Bytes of the character `text` begins with; 0 when it is none (RFC 3629, section 4).
std::size_t character_bytes(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Second bytes that would make an overlong form, a surrogate, or a number beyond U+10FFFF.
  const std::uint8_t lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const std::uint8_t highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  return byte(1) >= lowest && byte(1) <= highest ? bytes : 0;
}

/// The index options with the metric and row kind that the vector states.
IndexOptions settled(const VectorSchema& vector) {
  IndexOptions options = vector.index;
  std::visit(
      [&](auto& of_kind) {
        of_kind.metric = vector.metric;
        of_kind.rows = vector.kind;
      },
      options);
  return options;
}

Status check_vector_schema(const VectorSchema& vector) {
  if (Status named = check_name(vector.name, "vector"); !named) return named;
  if (vector.metric > Metric::kCosine)
    return invalid_argument("vector '" + vector.name + "': unknown metric");
  if (vector.kind > ScalarKind::kF16)
    return invalid_argument("vector '" + vector.name + "': rows are stored as f32 or f16");
  auto made = make_index(vector);
  if (made) return {};
  Error error = std::move(made).error();
  error.message = "vector '" + vector.name + "': " + error.message;
  return error;
}

/// A 64-bit seed in two parameters, which are exact to 53 bits each.
void put_seed(std::uint64_t seed, std::vector<storage::ManifestParameter>& out) {
  out.push_back({"seed_low", static_cast<double>(seed & 0xffffffffU)});
  out.push_back({"seed_high", static_cast<double>(seed >> 32)});
}

struct ParameterWriter {
  storage::ManifestVector& out;

  void operator()(const FlatOptions& options) const {
    out.index = "flat";
    if (options.codes == ScalarKind::kI8)
      out.parameters = {{"codes", static_cast<double>(options.codes)}};
  }
  void operator()(const HnswOptions& options) const {
    out.index = "hnsw";
    out.parameters = {{"codes", static_cast<double>(options.codes)},
                      {"links_max", static_cast<double>(options.links_max)},
                      {"ef_construction", static_cast<double>(options.ef_construction)}};
    put_seed(options.seed, out.parameters);
  }
  void operator()(const IvfPqOptions& options) const {
    out.index = "ivf_pq";
    out.parameters = {{"lists", static_cast<double>(options.lists)},
                      {"subspaces", static_cast<double>(options.subspaces)},
                      {"rotate", options.rotate ? 1.0 : 0.0},
                      {"iterations", static_cast<double>(options.iterations)},
                      {"train_from", static_cast<double>(options.train_from)}};
    put_seed(options.seed, out.parameters);
  }
};

/// The parameters of a manifest by name; what is absent or out of range keeps its default.
class ParameterReader {
 public:
  explicit ParameterReader(const storage::ManifestVector& vector) : vector_(vector) {}

  template <typename Number>
  void read(std::string_view name, Number& number) const {
    for (const storage::ManifestParameter& parameter : vector_.parameters) {
      if (parameter.name == name && parameter.value >= 0 && parameter.value <= most<Number>())
        number = static_cast<Number>(parameter.value);
    }
  }
  void read_seed(std::uint64_t& seed) const {
    std::uint64_t low = seed & 0xffffffffU;
    std::uint64_t high = seed >> 32;
    read("seed_low", low);
    read("seed_high", high);
    seed = high << 32 | low;
  }

 private:
  /// The greatest parameter that a Number is read from: a conversion beyond its range is undefined.
  template <typename Number>
  static constexpr double most() {
    if constexpr (std::is_enum_v<Number>) {
      return std::numeric_limits<std::underlying_type_t<Number>>::max();
    } else {
      constexpr std::uint64_t kParameterMax = std::numeric_limits<std::uint32_t>::max();
      return static_cast<double>(
          std::min<std::uint64_t>(std::numeric_limits<Number>::max(), kParameterMax));
    }
  }

  const storage::ManifestVector& vector_;
};

Result<IndexOptions> index_of(const storage::ManifestVector& vector) {
  const ParameterReader from(vector);
  if (vector.index == "flat") {
    FlatOptions options;
    from.read("codes", options.codes);
    return IndexOptions(options);
  }
  if (vector.index == "hnsw") {
    HnswOptions options;
    from.read("codes", options.codes);
    from.read("links_max", options.links_max);
    from.read("ef_construction", options.ef_construction);
    from.read_seed(options.seed);
    return IndexOptions(options);
  }
  if (vector.index == "ivf_pq") {
    IvfPqOptions options;
    from.read("lists", options.lists);
    from.read("subspaces", options.subspaces);
    from.read("rotate", options.rotate);
    from.read("iterations", options.iterations);
    from.read("train_from", options.train_from);
    from.read_seed(options.seed);
    return IndexOptions(options);
  }
  return Error{ErrorCode::kUnsupportedFormat, "vector '" + vector.name +
                                                  "' has an index of kind '" + vector.index +
                                                  "', which this anear cannot read"};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

Status check_name(std::string_view name, const char* what) {
  const auto refuse = [&](const std::string& why) {
    return invalid_argument(std::string(what) + " name " + why +
                                ": use 1 to 128 bytes of letters, digits, '_', '.', '-', the first "
                                "one a letter or '_'",
                            Subcode::kNameInvalid);
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > kNameBytesMax) return refuse("has " + std::to_string(name.size()) + " bytes");
  if (!is_utf8(name)) return refuse("is not UTF-8");
  const bool fits =
      is_letter(name.front()) && std::all_of(name.begin(), name.end(), is_inside_name);
  return fits ? Status{} : refuse("'" + std::string(name) + "' is not allowed");
}

Status check_schema(const CollectionSchema& schema) {
  if (schema.vectors.size() > kVectorsMax || schema.fields.size() > kFieldsMax) {
    return Error{ErrorCode::kLimitExceeded, "a collection has at most " +
                                                std::to_string(kVectorsMax) + " vectors and " +
                                                std::to_string(kFieldsMax) + " declared fields"};
  }
  std::set<std::string_view> names;
  for (const VectorSchema& vector : schema.vectors) {
    if (Status status = check_vector_schema(vector); !status) return status;
    if (!names.insert(vector.name).second)
      return invalid_argument("vector '" + vector.name + "' stands twice in the schema");
  }
  names.clear();
  for (const FieldSchema& field : schema.fields) {
    if (Status status = check_name(field.name, "field"); !status) return status;
    if (field.type == FieldType::kAny || field.type > FieldType::kJson)
      return invalid_argument("field '" + field.name + "' has no type", Subcode::kWrongType);
    if (!names.insert(field.name).second)
      return invalid_argument("field '" + field.name + "' stands twice in the schema");
  }
  return {};
}

void put_schema(const CollectionSchema& schema, storage::CollectionManifest& manifest) {
  manifest.dynamic = schema.dynamic;
  for (const VectorSchema& vector : schema.vectors) {
    storage::ManifestVector out;
    out.name = vector.name;
    out.dimension = static_cast<std::uint32_t>(vector.dimension);
    out.metric = vector.metric;
    out.kind = vector.kind;
    std::visit(ParameterWriter{out}, vector.index);
    manifest.vectors.push_back(std::move(out));
  }
  for (const FieldSchema& field : schema.fields)
    manifest.fields.push_back({field.name, field.type});
}

Result<CollectionSchema> schema_of(const storage::CollectionManifest& manifest) {
  CollectionSchema schema;
  schema.dynamic = manifest.dynamic;
  for (const storage::ManifestVector& from : manifest.vectors) {
    auto index = index_of(from);
    if (!index) return std::move(index).error();
    VectorSchema vector{from.name, from.dimension, from.metric, from.kind, *index};
    vector.index = settled(vector);
    schema.vectors.push_back(std::move(vector));
  }
  for (const storage::ManifestField& from : manifest.fields)
    schema.fields.push_back({from.name, from.type});
  if (Status checked = check_schema(schema); !checked) {
    return Error{ErrorCode::kCorruption, "the manifest of collection '" + manifest.name +
                                             "' is damaged: " + checked.error().message};
  }
  return schema;
}

FieldTypes field_types(const CollectionSchema& schema) {
  FieldTypes types;
  types.dynamic = schema.dynamic;
  for (const FieldSchema& field : schema.fields)
    types.declared.emplace_back(field.name, field.type);
  return types;
}

Result<std::size_t> vector_number(const CollectionSchema& schema, std::string_view name) {
  if (name.empty() && schema.vectors.size() == 1) return std::size_t{0};
  for (std::size_t i = 0; i < schema.vectors.size(); ++i) {
    if (schema.vectors[i].name == name) return i;
  }
  const std::string known = listed(schema.vectors, &VectorSchema::name);
  const std::string which =
      name.empty() ? "which vector is not said" : "unknown vector '" + std::string(name) + "'";
  return invalid_argument(which + "; the collection has " + (known.empty() ? "no vectors" : known),
                          Subcode::kUnknownVector);
}

}  // namespace anear
