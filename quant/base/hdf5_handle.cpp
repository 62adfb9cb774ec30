#include "quant/base/hdf5_handle.hpp"

#include <fmt/format.h>

#include "quant/base/error.hpp"

namespace bitsmith::base::hdf5 {
namespace {

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

// HDF5's innermost entry often repeats the whole call ("unable to open file: name = ..., errno = 2, error
// message = 'No such file or directory', flags = 0"); the system's message in quotes is what a reader needs.
std::string shorten(std::string reason) {
  constexpr std::string_view kMark = "error message = '";
  const auto begin = reason.find(kMark);
  if (begin == std::string::npos) return reason;
  const auto end = reason.find('\'', begin + kMark.size());
  return reason.substr(begin + kMark.size(), end - begin - kMark.size());
}

}  // namespace

Lock::Lock() : guard_(library_mutex()) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // per thread in a thread-safe build, hence not once
}

std::string library_reason() {
  std::string reason;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* entry, void* into) -> herr_t {
        if (depth == 0 && entry->desc != nullptr) *static_cast<std::string*>(into) = entry->desc;
        return 0;
      },
      &reason);
  H5Eclear2(H5E_DEFAULT);
  return reason.empty() ? "HDF5 gave no reason" : shorten(std::move(reason));
}

void fail(const std::filesystem::path& file, std::string_view doing, std::string_view object,
          std::string_view reason) {
  if (object.empty()) throw UserError(fmt::format("{}: cannot {}: {}", file.string(), doing, reason));
  throw UserError(fmt::format("{}: cannot {} '{}': {}", file.string(), doing, object, reason));
}

Id utf8_type() {
  Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

ElementType classify(hid_t type) {
  const std::size_t size = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      return size <= 4 ? ElementType::float32 : ElementType::float64;
    case H5T_STRING:
      return ElementType::text;
    case H5T_INTEGER: {
      const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
      if (!is_signed && size == 1) return ElementType::uint8;
      if (!is_signed && size == 8) return ElementType::uint64;
      return size < 4 || (size == 4 && is_signed) ? ElementType::int32 : ElementType::int64;
    }
    default:
      return ElementType::other;
  }
}

Id open_object(hid_t file, const std::filesystem::path& path, const std::string& object) {
  return Id(checked(H5Oopen(file, object.empty() ? "/" : object.c_str(), H5P_DEFAULT), path, "open", object),
            H5Oclose);
}

Id link_properties() {
  Id properties(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_char_encoding(properties, H5T_CSET_UTF8);
  return properties;
}

Dataset::Dataset(hid_t file, const std::filesystem::path& path, const std::string& name)
    : id(checked(H5Dopen2(file, name.c_str(), H5P_DEFAULT), path, "open the dataset", name), H5Dclose),
      type(checked(H5Dget_type(id), path, "read the type of", name), H5Tclose),
      space(checked(H5Dget_space(id), path, "read the extents of", name), H5Sclose) {
  if (H5Sget_simple_extent_type(space) == H5S_NULL) fail(path, "read", name, "it is an empty (null) dataset");
}

}  // namespace bitsmith::base::hdf5
