#include "guard.hpp"

#include <algorithm>
#include <cstring>

namespace anear::c {
namespace {

/// No struct of this interface comes near to this size; beyond it struct_size was never set.
constexpr std::size_t kErrorBytesMax = 65'536;

void clear_what_is_newer(anear_error& error) noexcept {
  const std::size_t size = error.struct_size;
  if (size > sizeof error)
    std::memset(reinterpret_cast<char*>(&error) + sizeof error, 0, size - sizeof error);
}

}  // namespace

bool is_usable(const anear_error* error) noexcept {
  return error == nullptr ||
         (error->struct_size >= sizeof(anear_error) && error->struct_size <= kErrorBytesMax);
}

std::int32_t report(const Status& status, anear_error* error) noexcept {
  if (status) return report(ErrorCode::kOk, "", error);
  const Error& what = status.error();
  const auto code = report(what.code, "", error);
  if (error != nullptr) {
    error->subcode = static_cast<std::int32_t>(what.subcode);
    error->record = what.record;
    error->position = what.position;
    copy_message(what.message.data(), what.message.size(), error->message, sizeof error->message);
  }
  return code;
}

std::int32_t report(ErrorCode code, const char* message, anear_error* error) noexcept {
  const auto number = static_cast<std::int32_t>(code);
  if (error == nullptr) return number;
  error->code = number;
  error->subcode = 0;
  error->reserved = 0;
  error->record = -1;
  error->position = -1;
  copy_message(message, std::strlen(message), error->message, sizeof error->message);
  clear_what_is_newer(*error);
  return number;
}

void copy_message(const char* text, std::size_t size, char* to, std::size_t capacity) noexcept {
  std::size_t end = std::min(size, capacity - 1);
  // Bytes 10xxxxxx continue a character: one that would be cut is left out.
  if (end < size) {
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  }
  std::memcpy(to, text, end);
  to[end] = '\0';
}

}  // namespace anear::c
