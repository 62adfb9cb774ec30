#include <fmt/format.h>

#include "quant/base/hdf5.hpp"
#include "quant/base/hdf5_handle.hpp"

namespace bitsmith::base::hdf5 {
namespace {

std::string label(const std::string& object, const std::string& name) {
  return fmt::format("{}@{}", object == "/" ? "" : object, name);
}

void write_attribute(hid_t file, const std::filesystem::path& path, const std::string& object,
                     const std::string& name, hid_t stored, hid_t native, const void* value) {
  const Id owner = open_object(file, path, object);
  if (H5Aexists(owner, name.c_str()) > 0)
    checked(H5Adelete(owner, name.c_str()), path, "replace the attribute", label(object, name));
  const Id space(H5Screate(H5S_SCALAR), H5Sclose), properties(H5Pcreate(H5P_ATTRIBUTE_CREATE), H5Pclose);
  H5Pset_char_encoding(properties, H5T_CSET_UTF8);
  const Id attribute(checked(H5Acreate2(owner, name.c_str(), stored, space, properties, H5P_DEFAULT), path,
                             "make the attribute", label(object, name)),
                     H5Aclose);
  checked(H5Awrite(attribute, native, value), path, "write the attribute", label(object, name));
}

struct Attribute {
  Attribute(hid_t file, const std::filesystem::path& path, const std::string& object, const std::string& name)
      : owner(open_object(file, path, object)) {
    if (H5Aexists(owner, name.c_str()) <= 0)
      fail(path, "read the attribute", label(object, name), "it is missing");
    id = Id(
        checked(H5Aopen(owner, name.c_str(), H5P_DEFAULT), path, "read the attribute", label(object, name)),
        H5Aclose);
    type = Id(H5Aget_type(id), H5Tclose);
    space = Id(H5Aget_space(id), H5Sclose);
    if (H5Sget_simple_extent_npoints(space) != 1)
      fail(path, "read the attribute", label(object, name), "it is not a single value");
  }
  Id owner, id, type, space;
};

}  // namespace

void File::set_attribute(const std::string& object, const std::string& name, std::string_view value) {
  const Lock lock;
  if (value.find('\0') != std::string_view::npos)
    fail(path_, "write the attribute", label(object, name), "the text holds the character NUL");
  const std::string copy(value);
  const char* pointer = copy.c_str();
  const Id type = utf8_type();
  write_attribute(id_, path_, object, name, type, type, &pointer);
}

void File::set_attribute(const std::string& object, const std::string& name, double value) {
  const Lock lock;
  write_attribute(id_, path_, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value);
}

void File::set_integer_attribute(const std::string& object, const std::string& name, std::int64_t value) {
  const Lock lock;
  write_attribute(id_, path_, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value);
}

bool File::has_attribute(const std::string& object, const std::string& name) const {
  const Lock lock;
  return H5Aexists(open_object(id_, path_, object), name.c_str()) > 0;
}

std::vector<std::string> File::attributes(const std::string& object) const {
  const Lock lock;
  const Id owner = open_object(id_, path_, object);
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* into) -> herr_t {
    static_cast<std::vector<std::string>*>(into)->emplace_back(name);
    return 0;
  };
  hsize_t position = 0;
  checked(H5Aiterate2(owner, H5_INDEX_NAME, H5_ITER_INC, &position, add, &names), path_,
          "list the attributes of", object);
  return names;
}

std::string File::string_attribute(const std::string& object, const std::string& name) const {
  const Lock lock;
  const Attribute attribute(id_, path_, object, name);
  if (H5Tget_class(attribute.type) != H5T_STRING)
    fail(path_, "read the attribute", label(object, name), "it is not a string");
  auto strings = collect_strings(attribute.type, attribute.space, 1, [&](hid_t type, void* into) {
    checked(H5Aread(attribute.id, type, into), path_, "read the attribute", label(object, name));
  });
  return std::move(strings.front());
}

double File::double_attribute(const std::string& object, const std::string& name) const {
  const Lock lock;
  const Attribute attribute(id_, path_, object, name);
  const ElementType type = classify(attribute.type);
  if (type == ElementType::text || type == ElementType::other)
    fail(path_, "read the attribute", label(object, name), "it is not a number");
  double value = 0;
  checked(H5Aread(attribute.id, H5T_NATIVE_DOUBLE, &value), path_, "read the attribute", label(object, name));
  return value;
}

std::int64_t File::int_attribute(const std::string& object, const std::string& name) const {
  const Lock lock;
  const Attribute attribute(id_, path_, object, name);
  if (H5Tget_class(attribute.type) != H5T_INTEGER)
    fail(path_, "read the attribute", label(object, name), "it is not an integer");
  std::int64_t value = 0;
  checked(H5Aread(attribute.id, H5T_NATIVE_INT64, &value), path_, "read the attribute", label(object, name));
  return value;
}

}  // namespace bitsmith::base::hdf5
