// How many appends, each followed by fdatasync, one file on this disk takes in a second: what no
// durable write of one record can exceed without preallocating. Bare calls, nothing of anear.
//
//   disk_rate DIRECTORY BYTES SECONDS     prints appends a second
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fputs("usage: disk_rate DIRECTORY BYTES SECONDS\n", stderr);
    return 2;
  }
  std::string path = std::string(arguments[1]) + "/disk_rate_XXXXXX";
  const std::string bytes(std::strtoul(arguments[2], nullptr, 10), 'a');
  const double limit = std::strtod(arguments[3], nullptr);
  const int file = ::mkstemp(path.data());
  if (file < 0) {
    std::perror(path.c_str());
    return 1;
  }
  ::unlink(path.c_str());
  std::size_t done = 0;
  const auto start = std::chrono::steady_clock::now();
  while (seconds_since(start) < limit) {
    if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fdatasync(file) != 0) {
      std::perror("append and sync");
      return 1;
    }
    ++done;
  }
  std::printf("%.1f\n", static_cast<double>(done) / seconds_since(start));
  return 0;
}
