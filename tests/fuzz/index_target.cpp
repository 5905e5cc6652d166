// The file of an index by itself, of every kind: loaded, searched, deleted from, added to,
// searched.
//
// Lengths and checksums of the file are set right before it is loaded. Slots are taken modulo
// 65,536: an index takes memory up to its largest slot, which is no mistake.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "anear.h"
#include "anear/core/checksum.hpp"
#include "anear/core/random.hpp"
#include "anear/core/types.hpp"
#include "anear/index/image_io.hpp"
#include "support/temp_directory.hpp"
#include "target.hpp"

namespace anear::fuzz {
namespace index_target {
namespace {

constexpr std::size_t kNearest = 5;

std::span<const std::byte> bytes_in(std::string_view text) {
  return std::as_bytes(std::span(text));
}

bool fits(const image_io::Entry& entry, std::size_t bytes) {
  return entry.offset <= bytes && entry.stride != 0 &&
         entry.count <= (bytes - entry.offset) / entry.stride;
}

void limit_slots(std::string& file, const image_io::Entry& entry) {
  const std::string_view name(entry.name, ::strnlen(entry.name, sizeof entry.name));
  if (name != "slots" || entry.stride != sizeof(Slot)) return;
  for (std::uint64_t i = 0; i < entry.count; ++i) {
    Slot slot = 0;
    std::memcpy(&slot, file.data() + entry.offset + 4 * i, 4);
    if (slot != kNoSlot) slot &= 0xFFFF;
    std::memcpy(file.data() + entry.offset + 4 * i, &slot, 4);
  }
}

/// The file with lengths and checksums as a writer would have set them.
std::string mended(std::string file) {
  image_io::Header header;
  if (file.size() < sizeof header) return file;
  std::memcpy(&header, file.data(), sizeof header);
  header.magic = image_io::kMagic;
  header.version = image_io::kVersion;
  header.file_bytes = file.size();
  const std::uint64_t table_at = sizeof header + std::uint64_t{header.option_bytes};
  const std::uint64_t table_bytes = std::uint64_t{header.sections} * sizeof(image_io::Entry);
  if (header.sections <= image_io::kSectionsMax && table_at + table_bytes <= file.size()) {
    std::vector<image_io::Entry> table(header.sections);
    if (!table.empty()) std::memcpy(table.data(), file.data() + table_at, table_bytes);
    for (const image_io::Entry& entry : table) {
      if (fits(entry, file.size())) limit_slots(file, entry);
    }
    for (image_io::Entry& entry : table) {
      if (!fits(entry, file.size())) continue;
      entry.checksum =
          crc32c(bytes_in(std::string_view(file).substr(entry.offset, entry.stride * entry.count)));
    }
    if (!table.empty()) std::memcpy(file.data() + table_at, table.data(), table_bytes);
    const std::string_view view = file;
    header.table_checksum =
        crc32c(bytes_in(view.substr(table_at, table_bytes)),
               crc32c(bytes_in(view.substr(sizeof header, header.option_bytes))));
  }
  header.checksum = crc32c(image_io::bytes_of_value(header).first(60));
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

/// A file without a name, of the bytes it was last given.
class NamelessFile {
 public:
  NamelessFile() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(descriptor_ >= 0, "there are files in memory");
  }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;
  ~NamelessFile() { ::close(descriptor_); }
  void set(std::string_view bytes) const {
    require(::ftruncate(descriptor_, 0) == 0, "a file in memory can be emptied");
    require(
        ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
        "a file in memory can be written");
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

struct Answer {
  std::uint32_t slots[kNearest] = {};
  float distances[kNearest] = {};
  std::uint32_t found = 0;
};

/// What a search answers, in order and each slot once; nothing when it is refused.
Answer search(const anear_index* index, const std::vector<float>& query, float recall,
              std::span<const std::uint64_t> wanted) {
  Answer answer;
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_query asked = ANEAR_INDEX_QUERY_INIT;
  asked.queries = {query.data(), 1, query.size(), 0, ANEAR_SCALAR_F32};
  asked.k = kNearest;
  asked.recall = recall;
  asked.wanted = wanted.data();
  asked.wanted_words = wanted.size();
  anear_neighbors neighbors = ANEAR_NEIGHBORS_INIT;
  neighbors.slots = answer.slots;
  neighbors.distances = answer.distances;
  neighbors.found = &answer.found;
  if (anear_index_search(index, &asked, &neighbors, &error) != ANEAR_OK) {
    require(error.code != ANEAR_INTERNAL && error.message[0] != '\0', "a refusal says why");
    return {};
  }
  require(answer.found <= kNearest, "no more answers than were asked for");
  for (std::size_t i = 0; i < answer.found; ++i) {
    const std::uint32_t slot = answer.slots[i];
    require(!std::isnan(answer.distances[i]), "a distance is a number");
    require(i == 0 || answer.distances[i - 1] <= answer.distances[i], "nearest first");
    if (wanted.empty()) continue;
    require(slot / 64 < wanted.size() && (wanted[slot / 64] >> slot % 64 & 1) != 0,
            "only wanted slots are answered");
  }
  return answer;
}

void use(anear_index* index) {
  anear_error error = ANEAR_ERROR_INIT;
  anear_index_facts facts = ANEAR_INDEX_FACTS_INIT;
  require(anear_index_stats(index, &facts, &error) == ANEAR_OK, "an index says what it is");
  require(facts.live <= facts.positions, "no more live rows than positions");
  std::vector<float> query(facts.dimension);
  for (std::size_t d = 0; d < query.size(); ++d) query[d] = 0.25F * static_cast<float>(d % 5 + 1);
  const std::uint64_t odd[] = {0xAAAAAAAAAAAAAAAA};
  for (const float recall : {0.9F, 1.0F}) {
    const Answer answer = search(index, query, recall, {});
    search(index, query, recall, odd);
    if (answer.found == 0) continue;
    std::size_t deleted = 0;
    require(anear_index_delete(index, answer.slots, 1, &deleted, &error) == ANEAR_OK,
            "a slot can be deleted");
  }
  const std::uint32_t slots[] = {3};
  const anear_matrix row = {query.data(), 1, query.size(), 0, ANEAR_SCALAR_F32};
  if (anear_index_add(index, &row, slots, nullptr, &error) == ANEAR_OK)
    search(index, query, 0.95F, {});
}

void load(std::string_view bytes) {
  static const NamelessFile kFile;
  kFile.set(bytes);
  anear_error error = ANEAR_ERROR_INIT;
  anear_index* index = nullptr;
  const std::int32_t code = anear_index_load(kFile.path().c_str(), &index, &error);
  require((code == ANEAR_OK) == (index != nullptr), "an index, or why there is none");
  if (index == nullptr) {
    require(code != ANEAR_INTERNAL && error.message[0] != '\0', "a refusal says why");
    return;
  }
  use(index);
  anear_index_free(index);
}

void run(std::string_view bytes) {
  load(bytes);
  load(mended(std::string(bytes)));
}

std::string saved(const anear_index_options& options, std::size_t rows) {
  anear_index* index = nullptr;
  anear_error error = ANEAR_ERROR_INIT;
  require(anear_index_create(&options, &index, &error) == ANEAR_OK, error.message);
  Random random(11);
  std::vector<float> values(rows * options.dimension);
  for (float& value : values) value = static_cast<float>(random.uniform()) - 0.5F;
  std::vector<std::uint32_t> slots(rows);
  for (std::size_t i = 0; i < rows; ++i) slots[i] = static_cast<std::uint32_t>(i);
  const anear_matrix matrix = {values.data(), rows, options.dimension, 0, ANEAR_SCALAR_F32};
  std::string bytes;
  const testing::TempDirectory directory;
  const std::string path = directory / "index";
  const bool made = anear_index_train(index, &matrix, nullptr, &error) == ANEAR_OK &&
                    anear_index_add(index, &matrix, slots.data(), nullptr, &error) == ANEAR_OK &&
                    anear_index_delete(index, &slots[1], 1, nullptr, &error) == ANEAR_OK &&
                    anear_index_save(index, path.c_str(), &error) == ANEAR_OK;
  require(made, error.message);
  anear_index_free(index);
  auto loaded = image_io::read_file(path);
  require(loaded.has_value(), "a saved index can be read");
  bytes.assign(reinterpret_cast<const char*>(loaded->bytes.data()), loaded->bytes.size());
  return bytes;
}

std::vector<std::string> seeds() {
  anear_index_options options = ANEAR_INDEX_OPTIONS_INIT;
  options.dimension = 3;
  options.links_max = 2;
  std::vector<std::string> inputs;
  for (const std::int32_t kind : {ANEAR_INDEX_HNSW, ANEAR_INDEX_FLAT, ANEAR_INDEX_IVF_PQ}) {
    options.kind = kind;
    options.lists = kind == ANEAR_INDEX_IVF_PQ ? 2 : 0;
    options.subspaces = kind == ANEAR_INDEX_IVF_PQ ? 1 : 0;
    inputs.push_back(saved(options, 12));
  }
  options = ANEAR_INDEX_OPTIONS_INIT;
  options.dimension = 4;
  options.links_max = 3;
  options.codes = ANEAR_SCALAR_F16;
  options.rows = ANEAR_SCALAR_F16;
  options.metric = ANEAR_METRIC_L2;
  inputs.push_back(saved(options, 6));
  return inputs;
}

}  // namespace
}  // namespace index_target

extern const Target kIndexTarget;
const Target kIndexTarget = {"index", index_target::run, index_target::seeds, 4'000};

}  // namespace anear::fuzz
