#include "anear/filter/timestamp.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace anear {
namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;
// 0000-01-01 and 10000-01-01.
constexpr std::int64_t kSecondsFirst = -62'167'219'200;
constexpr std::int64_t kSecondsBehind = 253'402'300'800;

struct Date {
  std::int64_t year;
  int month;
  int day;
};

/// Reads from the front; `failed` names what was expected at byte `at` once something did not fit.
struct Reader {
  std::string_view text;
  std::size_t at = 0;
  const char* failed = nullptr;

  bool fail(const char* expected) {
    if (failed == nullptr) failed = expected;
    return false;
  }
  bool ends() const noexcept { return at == text.size(); }
  bool next_is(std::string_view any) const noexcept {
    return at < text.size() && any.find(text[at]) != std::string_view::npos;
  }
  bool take(std::string_view any, const char* expected) {
    if (!next_is(any)) return fail(expected);
    ++at;
    return true;
  }
  /// Exactly `digits` digits that make a number in [least, most].
  int number(std::size_t digits, int least, int most, const char* expected);
};

bool read_date(Reader& reader, Date& date);
bool read_time(Reader& reader, std::int64_t& micros);
bool read_fraction(Reader& reader, std::int64_t& micros);
bool read_zone(Reader& reader, std::int64_t& offset_seconds);
std::int64_t days_from_date(const Date& date) noexcept;
Date date_from_days(std::int64_t days) noexcept;
int days_in_month(const Date& date) noexcept;
std::string padded(std::int64_t number, std::size_t digits);

}  // namespace

Result<Timestamp> parse_timestamp(std::string_view text) {
  Reader reader{text};
  Date date{};
  std::int64_t micros = 0;
  std::int64_t offset = 0;
  if (read_date(reader, date) &&
      reader.take("Tt ", "a time behind the date, for example T00:00:00Z") &&
      read_time(reader, micros) && read_zone(reader, offset) && !reader.ends()) {
    reader.fail("the end of the timestamp");
  }
  if (reader.failed != nullptr) {
    return invalid_argument("a timestamp needs " + std::string(reader.failed) + " at its byte " +
                                std::to_string(reader.at) +
                                "; the form is 2024-05-06T07:08:09.123456Z or +02:00 for Z",
                            Subcode::kWrongType)
        .at_position(static_cast<std::int64_t>(reader.at));
  }
  const std::int64_t seconds = days_from_date(date) * kSecondsPerDay - offset;
  return Timestamp{seconds * kMicrosPerSecond + micros};
}

std::string to_text(Timestamp timestamp) {
  std::int64_t fraction = timestamp.micros % kMicrosPerSecond;
  std::int64_t seconds = timestamp.micros / kMicrosPerSecond;
  if (fraction < 0) {
    fraction += kMicrosPerSecond;
    --seconds;
  }
  if (seconds < kSecondsFirst || seconds >= kSecondsBehind) return std::to_string(timestamp.micros);
  std::int64_t days = seconds / kSecondsPerDay;
  std::int64_t second = seconds % kSecondsPerDay;
  if (second < 0) {
    second += kSecondsPerDay;
    --days;
  }
  const Date date = date_from_days(days);
  std::string out = padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2) +
                    "T" + padded(second / 3600, 2) + ":" + padded(second / 60 % 60, 2) + ":" +
                    padded(second % 60, 2);
  if (fraction != 0) {
    std::string digits = padded(fraction, 6);
    digits.resize(digits.find_last_not_of('0') + 1);
    out += "." + digits;
  }
  return out + "Z";
}

namespace {

int Reader::number(std::size_t digits, int least, int most, const char* expected) {
  int number = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (at + i >= text.size() || text[at + i] < '0' || text[at + i] > '9') {
      fail(expected);
      return least;
    }
    number = number * 10 + (text[at + i] - '0');
  }
  if (number < least || number > most) {
    fail(expected);
    return least;
  }
  at += digits;
  return number;
}

bool read_date(Reader& reader, Date& date) {
  date.year = reader.number(4, 0, 9999, "a year of four digits");
  if (reader.failed != nullptr || !reader.take("-", "a '-' behind the year")) return false;
  date.month = reader.number(2, 1, 12, "a month from 01 to 12");
  if (reader.failed != nullptr || !reader.take("-", "a '-' behind the month")) return false;
  date.day = reader.number(2, 1, days_in_month(date), "a day that its month has");
  return reader.failed == nullptr;
}

bool read_time(Reader& reader, std::int64_t& micros) {
  const int hour = reader.number(2, 0, 23, "an hour from 00 to 23");
  if (reader.failed != nullptr || !reader.take(":", "a ':' behind the hour")) return false;
  const int minute = reader.number(2, 0, 59, "a minute from 00 to 59");
  if (reader.failed != nullptr) return false;
  int second = 0;
  if (reader.next_is(":")) {
    ++reader.at;
    second = reader.number(2, 0, 59, "a second from 00 to 59");
    if (reader.failed != nullptr) return false;
  }
  micros = (hour * 3600 + minute * 60 + second) * kMicrosPerSecond;
  return read_fraction(reader, micros);
}

bool read_fraction(Reader& reader, std::int64_t& micros) {
  if (!reader.next_is(".")) return true;
  ++reader.at;
  if (!reader.next_is("0123456789")) return reader.fail("digits behind the point");
  std::int64_t worth = kMicrosPerSecond / 10;
  for (; reader.next_is("0123456789"); ++reader.at) {
    const int digit = reader.text[reader.at] - '0';
    if (worth == 0 && digit != 0) return reader.fail("nothing finer than microseconds");
    micros += digit * worth;
    worth /= 10;
  }
  return true;
}

bool read_zone(Reader& reader, std::int64_t& offset_seconds) {
  if (reader.next_is("Zz")) {
    ++reader.at;
    return true;
  }
  if (!reader.next_is("+-")) return reader.fail("a zone, Z or an offset such as +02:00,");
  const int sign = reader.text[reader.at] == '-' ? -1 : 1;
  ++reader.at;
  const int hours = reader.number(2, 0, 23, "hours of the offset from 00 to 23");
  if (reader.failed != nullptr) return false;
  int minutes = 0;
  if (reader.next_is(":0123456789")) {
    if (reader.next_is(":")) ++reader.at;
    minutes = reader.number(2, 0, 59, "minutes of the offset from 00 to 59");
  }
  offset_seconds = std::int64_t{sign} * (hours * 3600 + minutes * 60);
  return reader.failed == nullptr;
}

// Days and civil dates: H. Hinnant, "chrono-compatible low-level date algorithms". Years begin in
// March there, so that the leap day is the last of its year.
std::int64_t days_from_date(const Date& date) noexcept {
  const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month = date.month + (date.month > 2 ? -3 : 9);
  const std::int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

Date date_from_days(std::int64_t days) noexcept {
  days += 719'468;
  const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const std::int64_t day_of_era = days - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * day_of_year + 2) / 153;
  Date date{};
  date.day = static_cast<int>(day_of_year - (153 * month + 2) / 5 + 1);
  date.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

int days_in_month(const Date& date) noexcept {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  return date.month == 2 && leap ? 29 : kDays[date.month - 1];
}

std::string padded(std::int64_t number, std::size_t digits) {
  std::string text = std::to_string(number);
  return std::string(digits > text.size() ? digits - text.size() : 0, '0') + text;
}

}  // namespace
}  // namespace anear
