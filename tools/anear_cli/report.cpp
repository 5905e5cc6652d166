#include "report.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <iostream>

namespace anear::cli {
namespace {

std::atomic<bool> stopping{false};

void ask_to_stop(int) {
  if (stopping.exchange(true)) std::_Exit(kStopped);
}

std::string text_of(const Report& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.dump();
}

void print_object(const Report& object, const std::string& indent);

void print_list(const Report& list, const std::string& indent) {
  for (const Report& one : list) {
    if (one.is_object()) {
      print_object(one, indent);
      std::cout << '\n';
    } else {
      std::cout << indent << text_of(one) << '\n';
    }
  }
}

void print_object(const Report& object, const std::string& indent) {
  std::size_t width = 0;
  for (const auto& [name, value] : object.items()) {
    if (!value.is_array()) width = std::max(width, name.size());
  }
  for (const auto& [name, value] : object.items()) {
    std::string label = name;
    for (char& letter : label) letter = letter == '_' ? ' ' : letter;
    if (value.is_array()) {
      std::cout << indent << label << (value.empty() ? ": none" : ":") << '\n';
      print_list(value, indent + "  ");
    } else {
      std::cout << indent << label << std::string(width - name.size() + 2, ' ') << text_of(value)
                << '\n';
    }
  }
}

}  // namespace

void print(const Report& report, bool as_json) {
  if (as_json) {
    std::cout << report.dump(2) << '\n';
  } else if (report.is_array()) {
    print_list(report, "");
  } else {
    print_object(report, "");
  }
}

int fail(const Error& error) {
  std::cerr << "anear: " << error.message << " (" << name_of(error.code) << ")\n";
  switch (error.code) {
    case ErrorCode::kCorruption:
    case ErrorCode::kLostWrites:
      return kDamaged;
    case ErrorCode::kCancelled:
      return kStopped;
    default:
      return kFailed;
  }
}

void stop_on_signals() {
  std::signal(SIGINT, ask_to_stop);
  std::signal(SIGTERM, ask_to_stop);
}

Progress::~Progress() {
  if (shown_ >= 0) std::cerr << "\r\033[K";
}

bool Progress::call(void* context, std::size_t done, std::size_t total) {
  auto& self = *static_cast<Progress*>(context);
  const int percent =
      total == 0 ? 100
                 : static_cast<int>(100.0 * static_cast<double>(done) / static_cast<double>(total));
  if (percent != self.shown_ && ::isatty(STDERR_FILENO) != 0) {
    self.shown_ = percent;
    std::cerr << '\r' << self.of_ << ": " << percent << " %\033[K" << std::flush;
  }
  return !stopping;
}

std::string in_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < kUnits.size(); ++unit) number /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", number, kUnits[unit]);
  return text.data();
}

std::string as_time(std::int64_t micros) {
  const auto seconds = static_cast<std::time_t>(micros / 1'000'000);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(micros);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text.data();
}

}  // namespace anear::cli
