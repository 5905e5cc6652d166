#include "values.hpp"

#include <pybind11/gil_safe_call_once.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <variant>

#include "anear/filter/compare.hpp"

namespace anear::python {
std::string_view utf8_of(const py::handle& text, std::int64_t record) {
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes == nullptr) {
    PyErr_Clear();
    raise(invalid_argument("a string cannot be encoded as UTF-8 (it holds a lone surrogate)",
                           Subcode::kKeyInvalid)
              .at_record(record));
  }
  return {bytes, static_cast<std::size_t>(size)};
}

std::string as_name(const py::handle& name, const char* what, std::int64_t record) {
  if (py::isinstance<py::str>(name)) return std::string(utf8_of(name, record));
  raise(invalid_argument(std::string(what) + ": a name must be a string, got " +
                             std::string(py::str(py::repr(name))),
                         Subcode::kNameInvalid)
            .at_record(record));
}

namespace {

std::string type_name(const py::handle& object) {
  return std::string(py::str(py::type::handle_of(object).attr("__name__")));
}

std::int64_t as_int64(const py::handle& object) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
  if (overflow != 0)
    raise_invalid("integer " + std::string(py::str(object)) + " does not fit 64 bits");
  if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return number;
}

/// What conversions need of Python, looked up once.
struct Names {
  py::object missing;
  py::object plain_json;
  py::object dumps;
  py::object loads;
  py::object datetime;
  py::object epoch;
  py::object microsecond;
};

const Names& names() {
  PYBIND11_CONSTINIT static py::gil_safe_call_once_and_store<Names> storage;
  return storage
      .call_once_and_store_result([] {
        const py::module_ schema = py::module_::import("anear._schema");
        const py::module_ json = py::module_::import("json");
        const py::module_ datetime = py::module_::import("datetime");
        return Names{.missing = schema.attr("MISSING"),
                     .plain_json = schema.attr("plain_json"),
                     .dumps = json.attr("dumps"),
                     .loads = json.attr("loads"),
                     .datetime = datetime.attr("datetime"),
                     .epoch = datetime.attr("datetime")(
                         1970, 1, 1, py::arg("tzinfo") = datetime.attr("timezone").attr("utc")),
                     .microsecond = datetime.attr("timedelta")(py::arg("microseconds") = 1)};
      })
      .get_stored();
}

/// Whether a datetime in UTC can be made of it: the years 1 to 9999.
bool fits_datetime(Timestamp moment) {
  constexpr std::int64_t kFirst = -62'135'596'800'000'000;
  constexpr std::int64_t kBehind = 253'402'300'800'000'000;
  return moment.micros >= kFirst && moment.micros < kBehind;
}

Timestamp as_timestamp(const py::handle& moment) {
  if (moment.attr("utcoffset")().is_none()) {
    raise_invalid("datetime " + std::string(py::str(moment)) +
                  " has no time zone: use an aware one, such as datetime.now(timezone.utc)");
  }
  const py::object since = moment.attr("__sub__")(names().epoch);
  const Timestamp timestamp{(since.attr("days").cast<std::int64_t>() * 86'400 +
                             since.attr("seconds").cast<std::int64_t>()) *
                                1'000'000 +
                            since.attr("microseconds").cast<std::int64_t>()};
  if (!fits_datetime(timestamp)) {
    raise_invalid("datetime " + std::string(py::str(moment)) +
                  " is outside of the years 1 to 9999 in UTC");
  }
  return timestamp;
}

/// A timestamp that no datetime can hold, which only another language can have written, comes as
/// its integer: one such value must not make a record unreadable.
py::object to_datetime(Timestamp moment) {
  py::int_ micros(moment.micros);
  if (!fits_datetime(moment)) return micros;
  return names().epoch + names().microsecond * micros;
}

Json as_json(const py::handle& object) {
  try {
    const py::object text =
        names().dumps(object, py::arg("allow_nan") = false, py::arg("ensure_ascii") = false,
                      py::arg("default") = names().plain_json);
    return Json{std::string(utf8_of(text))};
  } catch (py::error_already_set& failure) {
    const std::string reason = py::str(failure.value());
    raise_invalid("a value cannot be written as JSON: " + reason);
  }
}

double exactly(std::int64_t number) {
  const auto real = static_cast<double>(number);
  if (compare_numbers(number, real) != 0) {
    raise_invalid("a list of float64 cannot hold the integer " + std::to_string(number) +
                  " exactly");
  }
  return real;
}

template <typename T>
std::vector<T> as_list(const py::handle& object, FieldType entry) {
  std::vector<T> list;
  for (const py::handle each : object) {
    Value value = as_value(each, entry);
    if constexpr (std::is_same_v<T, double>) {
      if (const auto* whole = std::get_if<std::int64_t>(&value)) value = exactly(*whole);
    }
    const auto* typed = std::get_if<T>(&value);
    if (typed == nullptr) {
      raise_invalid("a list of " + std::string(name_of(entry)) + " holds a " + type_name(each));
    }
    list.push_back(*typed);
  }
  return list;
}

/// numpy scalars become Python numbers; 0-d arrays too.
py::object plain(const py::handle& object) {
  if (!py::hasattr(object, "item") || !py::hasattr(object, "dtype"))
    return py::reinterpret_borrow<py::object>(object);
  const auto kind = object.attr("dtype").attr("kind").cast<std::string>();
  if (kind == "M" || kind == "m") {
    raise_invalid(
        "numpy's datetime64 has no time zone: use aware datetimes, such as "
        "datetime.now(timezone.utc)");
  }
  if (py::hasattr(object, "ndim") && object.attr("ndim").cast<int>() != 0)
    return py::reinterpret_borrow<py::object>(object);
  return object.attr("item")();
}

bool is_list(const py::object& object) {
  return py::isinstance<py::list>(object) || py::isinstance<py::tuple>(object) ||
         py::isinstance<py::anyset>(object) || py::isinstance<py::array>(object);
}

/// The type of entries that fits those of `type` (kAny: none yet) and one more; kJson: none does.
FieldType joined(FieldType type, FieldType entry) {
  const bool numbers = (type == FieldType::kInt64 && entry == FieldType::kFloat64) ||
                       (type == FieldType::kFloat64 && entry == FieldType::kInt64);
  if (numbers) return FieldType::kFloat64;
  if (entry == FieldType::kAny || (type != FieldType::kAny && type != entry))
    return FieldType::kJson;
  return entry;
}

/// What a list whose field declares no type for it becomes: the list type that fits all entries
/// (float64 for ints and floats together), JSON when none does. An empty list is a string list.
FieldType list_type_of(const py::handle& object) {
  FieldType type = FieldType::kAny;
  for (const py::handle each : object) {
    // A list may hold itself: those inside it are looked at by as_json() alone.
    if (is_list(plain(each))) return FieldType::kJson;
    type = joined(type, type_of(as_value(each, FieldType::kAny)));
    if (type == FieldType::kJson) return type;
  }
  switch (type) {
    case FieldType::kBool:
      return FieldType::kBoolList;
    case FieldType::kInt64:
      return FieldType::kInt64List;
    case FieldType::kFloat64:
      return FieldType::kFloat64List;
    case FieldType::kTimestamp:
      return FieldType::kTimestampList;
    case FieldType::kAny:
    case FieldType::kString:
      return FieldType::kStringList;
    default:
      return FieldType::kJson;
  }
}

bool is_list_type(FieldType type) {
  return type >= FieldType::kBoolList && type <= FieldType::kTimestampList;
}

Value as_list_value(const py::handle& object, FieldType type) {
  // A list for a field of another type keeps its own one: the store then says what it expected.
  switch (is_list_type(type) ? type : list_type_of(object)) {
    case FieldType::kBoolList:
      return as_list<bool>(object, FieldType::kBool);
    case FieldType::kInt64List:
      return as_list<std::int64_t>(object, FieldType::kInt64);
    case FieldType::kFloat64List:
      return as_list<double>(object, FieldType::kFloat64);
    case FieldType::kStringList:
      return as_list<std::string>(object, FieldType::kString);
    case FieldType::kTimestampList:
      return as_list<Timestamp>(object, FieldType::kTimestamp);
    default:
      return as_json(object);
  }
}

}  // namespace

Texts as_texts(const py::handle& object, const char* what, bool bytes_too) {
  if (py::isinstance<py::str>(object) || py::isinstance<py::bytes>(object)) {
    raise_invalid(std::string(what) + ": expected a list of strings, got one " + type_name(object));
  }
  if (!py::isinstance<py::iterable>(object)) {
    raise_invalid(std::string(what) + ": expected a list of strings, got " + type_name(object));
  }
  Texts texts;
  for (const py::handle each : object) {
    py::object owner = py::reinterpret_borrow<py::object>(each);
    if (py::isinstance<py::str>(each)) {
      texts.views.push_back(utf8_of(each, static_cast<std::int64_t>(texts.views.size())));
    } else if (bytes_too && py::isinstance<py::bytes>(each)) {
      char* bytes = nullptr;
      Py_ssize_t size = 0;
      if (PyBytes_AsStringAndSize(each.ptr(), &bytes, &size) != 0) throw py::error_already_set();
      texts.views.emplace_back(bytes, static_cast<std::size_t>(size));
    } else if (bytes_too && each.is_none()) {
      texts.views.emplace_back();
    } else {
      raise(invalid_argument(
                std::string(what) + " " + std::to_string(texts.views.size()) + ": expected " +
                    (bytes_too ? "bytes or a string, got " : "a string, got ") + type_name(each),
                Subcode::kWrongType)
                .at_record(static_cast<std::int64_t>(texts.views.size())));
    }
    texts.owners.push_back(std::move(owner));
  }
  return texts;
}

py::object missing() { return names().missing; }

Value as_value(const py::handle& given, FieldType type) {
  if (given.is_none()) return Null{};
  if (given.is(names().missing)) return Missing{};
  if (type == FieldType::kJson) return as_json(given);
  if (PyUnicode_CheckExact(given.ptr()) != 0) return std::string(utf8_of(given));
  const py::object object = plain(given);
  if (PyBool_Check(object.ptr()) != 0) return object.cast<bool>();
  if (PyLong_Check(object.ptr()) != 0) return as_int64(object);
  if (PyFloat_Check(object.ptr()) != 0) return PyFloat_AS_DOUBLE(object.ptr());
  if (py::isinstance<py::str>(object)) return std::string(utf8_of(object));
  if (py::isinstance(object, names().datetime)) return as_timestamp(object);
  if (py::isinstance<py::dict>(object)) return as_json(object);
  if (is_list(object)) return as_list_value(object, type);
  raise_invalid("a value of type " + type_name(object) +
                " is not supported; use bool, int, float, str, an aware datetime, a list of these, "
                "a dict or None");
}

py::object to_python(const Value& value) {
  struct Visitor {
    py::object operator()(Missing) const { return missing(); }
    py::object operator()(Null) const { return py::none(); }
    py::object operator()(bool flag) const { return py::bool_(flag); }
    py::object operator()(std::int64_t number) const { return py::int_(number); }
    py::object operator()(double number) const { return py::float_(number); }
    py::object operator()(const std::string& text) const { return py::str(text); }
    py::object operator()(Timestamp moment) const { return to_datetime(moment); }
    py::object operator()(const Json& json) const { return names().loads(py::str(json.text)); }
    py::object operator()(const std::vector<Timestamp>& moments) const {
      py::list list;
      for (const Timestamp moment : moments) list.append(to_datetime(moment));
      return list;
    }
    py::object operator()(const std::vector<bool>& flags) const {
      py::list list;
      for (const bool flag : flags) list.append(flag);
      return list;
    }
    py::object operator()(const std::vector<std::int64_t>& list) const { return py::cast(list); }
    py::object operator()(const std::vector<double>& list) const { return py::cast(list); }
    py::object operator()(const std::vector<std::string>& list) const { return py::cast(list); }
  };
  return std::visit(Visitor{}, value);
}

py::dict to_python(const Fields& fields) {
  py::dict dict;
  for (const auto& [name, value] : fields) dict[py::str(name)] = to_python(value);
  return dict;
}

std::vector<Value> as_column(const py::handle& values, const FieldSchema& field) {
  const std::string what = "field '" + field.name + "'";
  if (py::isinstance<py::str>(values) || py::isinstance<py::bytes>(values) ||
      py::isinstance<py::dict>(values) || !py::isinstance<py::iterable>(values)) {
    raise_invalid(what + ": expected a list with one value a key, got " + type_name(values));
  }
  std::vector<Value> column;
  std::int64_t record = 0;
  for (const py::handle each : values) {
    try {
      column.push_back(as_value(each, field.type));
    } catch (py::error_already_set& failure) {
      if (!py::hasattr(failure.value(), "subcode")) throw;
      std::string message = what;
      message.append(" of record ").append(std::to_string(record)).append(": ");
      message.append(std::string(py::str(failure.value())));
      raise(invalid_argument(std::move(message), Subcode::kWrongType).at_record(record));
    }
    ++record;
  }
  return column;
}

FieldType type_of(const CollectionSchema& schema, std::string_view field) {
  for (const FieldSchema& declared : schema.fields) {
    if (declared.name == field) return declared.type;
  }
  return FieldType::kAny;
}

namespace {

/// Errors name the parameter. A list is its values one by one: as literals, they need not fit one
/// type.
Parameter as_parameter(const std::string& name, const py::handle& given) {
  try {
    const py::object object = plain(given);
    if (!is_list(object)) return {name, as_value(object, FieldType::kAny)};
    std::vector<Value> values;
    for (const py::handle each : object) values.push_back(as_value(each, FieldType::kAny));
    return {name, std::move(values)};
  } catch (py::error_already_set& failure) {
    if (!py::hasattr(failure.value(), "subcode")) throw;
    std::string message = "parameter $" + name + ": ";
    message.append(std::string(py::str(failure.value())));
    raise(Error{ErrorCode::kFilterInvalid, std::move(message), Subcode::kFilterParameter});
  }
}

}  // namespace

FilterText as_filter(const py::object& text, const py::object& parameters) {
  FilterText filter;
  if (!text.is_none()) {
    if (!py::isinstance<py::str>(text))
      raise_invalid("filter: expected a string, got " + type_name(text));
    filter.text = std::string(utf8_of(text));
  }
  if (parameters.is_none()) return filter;
  if (text.is_none())
    raise_invalid("params: there is no filter to use them", Subcode::kFilterParameter);
  if (!py::isinstance<py::dict>(parameters)) {
    raise_invalid("params: expected a dict of names and values, got " + type_name(parameters));
  }
  for (const auto& [name, value] : py::reinterpret_borrow<py::dict>(parameters))
    filter.parameters.push_back(as_parameter(as_name(name, "params"), value));
  return filter;
}

Parts as_parts(const py::object& fields, bool payload, bool vectors) {
  Parts parts;
  parts.payload = payload;
  parts.vectors = vectors;
  if (fields.is_none() || PyBool_Check(fields.ptr()) != 0) {
    parts.fields = !fields.is_none() && fields.cast<bool>();
    return parts;
  }
  for (const std::string_view name : as_texts(fields, "fields").views)
    parts.field_names.emplace_back(name);
  parts.fields = !parts.field_names.empty();
  return parts;
}

}  // namespace anear::python
