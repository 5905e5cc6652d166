// Runs fuzz targets without libFuzzer, in any build: the inputs each begins with, the files of its
// corpus (those that once broke something among them), and seeded changes of both.
//
//   anear_fuzz_… TARGET [FILE or DIRECTORY]…      ANEAR_SEED, ANEAR_FUZZ_MUTATIONS change the
//   changes;
//                                                 ANEAR_FUZZ_KEEP=<file> holds the input at work
//   anear_fuzz_… --seeds TARGET DIRECTORY         writes what it begins with
#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "anear/core/random.hpp"
#include "target.hpp"

namespace {

namespace fs = std::filesystem;
using anear::Random;
using anear::fuzz::Target;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::string> inputs_in(const fs::path& path) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else if (fs::exists(path)) {
    files.push_back(path);
  }
  std::vector<std::string> inputs;
  for (const fs::path& file : files) inputs.push_back(read(file));
  return inputs;
}

/// One change of `bytes`; `other` is another input.
void change(std::string& bytes, const std::string& other, Random& random) {
  static const std::int64_t kNumbers[] = {0,         1,          -1,        127,      128,
                                          255,       256,        65'535,    65'536,   INT32_MAX,
                                          INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN};
  const std::size_t at = random.below(bytes.size() + 1);
  const std::size_t left = bytes.size() - at;
  switch (random.below(8)) {
    case 0:
      bytes.resize(at);
      break;
    case 1:
      bytes.insert(at, 1 + random.below(8), static_cast<char>(random.next()));
      break;
    case 2:
      bytes.erase(at, 1 + random.below(8));
      break;
    case 3: {
      const std::size_t from = random.below(other.size() + 1);
      bytes.insert(at, other, from, random.below(32));
      break;
    }
    case 4: {
      const std::int64_t number = kNumbers[random.below(std::size(kNumbers))];
      const std::size_t width = std::min<std::size_t>(left, std::size_t{1} << random.below(4));
      std::memcpy(bytes.data() + at, &number, width);
      break;
    }
    case 5:
      if (left != 0) bytes[at] = static_cast<char>(random.next());
      break;
    default:
      if (left != 0) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
      break;
  }
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

int run(const Target& target, std::span<char*> places) {
  std::vector<std::string> inputs = target.seeds();
  for (const char* place : places) {
    for (std::string& input : inputs_in(place)) inputs.push_back(std::move(input));
  }
  const std::uint64_t seed = number_from("ANEAR_SEED", 1);
  const std::uint64_t mutations = number_from("ANEAR_FUZZ_MUTATIONS", target.mutations);
  const char* kept = std::getenv("ANEAR_FUZZ_KEEP");
  std::printf("%s: %zu inputs, %llu changed ones, ANEAR_SEED=%llu\n", target.name, inputs.size(),
              static_cast<unsigned long long>(mutations), static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const auto run_one = [&](const std::string& input) {
    if (kept != nullptr) write(kept, input);
    target.run(input);
  };
  run_one({});
  for (const std::string& input : inputs) run_one(input);
  Random random(seed);
  for (std::uint64_t i = 0; i < mutations; ++i) {
    std::string changed = inputs[random.below(inputs.size())];
    for (std::uint64_t changes = 1 + random.below(4); changes > 0; --changes)
      change(changed, inputs[random.below(inputs.size())], random);
    run_one(changed);
  }
  return 0;
}

int write_seeds(const Target& target, const fs::path& directory) {
  fs::create_directories(directory);
  std::size_t number = 0;
  for (const std::string& seed : target.seeds())
    write(directory / ("seed." + std::to_string(number++)), seed);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::span<char*> given(arguments, static_cast<std::size_t>(count));
  try {
    const bool seeds = count == 4 && std::string_view(given[1]) == "--seeds";
    const Target* target = count < 2 ? nullptr : anear::fuzz::find_target(given[seeds ? 2 : 1]);
    if (target == nullptr) {
      std::fprintf(stderr, "usage: %s [--seeds] TARGET [PLACE]...; targets:", given[0]);
      for (const Target& known : anear::fuzz::targets()) std::fprintf(stderr, " %s", known.name);
      std::fprintf(stderr, "\n");
      return 2;
    }
    return seeds ? write_seeds(*target, given[3]) : run(*target, given.subspan(2));
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
