#include "anear/filter/json.hpp"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

namespace anear {
namespace {

using JsonParser = nlohmann::json;

/// Takes the parser's events and keeps nothing but the depth. Returning false stops the parser,
/// which throws in none of these cases.
class DepthGuard : public nlohmann::json_sax<JsonParser> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kJsonDepthMax; }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return ++depth_ <= kJsonDepthMax; }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const JsonParser::exception&) override {
    return false;
  }

 private:
  bool leave() noexcept {
    --depth_;
    return true;
  }
  std::size_t depth_ = 0;
};

}  // namespace

bool is_valid_json(std::string_view text) {
  // The parser takes a NUL for the end of its input and skips a byte order mark; RFC 8259 has
  // neither.
  if (text.find('\0') != std::string_view::npos) return false;
  if (text.starts_with("\xEF\xBB\xBF")) return false;
  DepthGuard guard;
  return JsonParser::sax_parse(text.begin(), text.end(), &guard);
}

}  // namespace anear
