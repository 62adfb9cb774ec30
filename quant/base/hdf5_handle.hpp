#pragma once

#include <hdf5.h>

#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "quant/base/hdf5.hpp"

/// What the files of quant/base/hdf5 share: the lock, owned identifiers, and HDF5's errors as UserError.
namespace bitsmith::base::hdf5 {

/// Held during every call of the library; also silences its own printing of errors.
class Lock {
 public:
  Lock();

 private:
  std::lock_guard<std::recursive_mutex> guard_;
};

/// Owns an identifier; closed by the function that fits its kind.
class Id {
 public:
  Id() = default;
  Id(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Id(Id&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Id& operator=(Id&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Id() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  herr_t (*close_)(hid_t) = nullptr;
};

/// The innermost reason on HDF5's error stack, in its own words.
std::string library_reason();

/// Throws UserError "FILE: cannot DOING OBJECT: REASON"; `object` may be empty.
[[noreturn]] void fail(const std::filesystem::path& file, std::string_view doing, std::string_view object,
                       std::string_view reason);

/// Passes a result of the library on, or fails with the library's reason when it is negative.
template <class Result>
Result checked(Result result, const std::filesystem::path& file, std::string_view doing,
               std::string_view object) {
  if (result < 0) fail(file, doing, object, library_reason());
  return result;
}

Id utf8_type();  ///< variable-length UTF-8
ElementType classify(hid_t type);

/// Opens a group or dataset by path.
Id open_object(hid_t file, const std::filesystem::path& path, const std::string& object);

Id link_properties();  ///< of new objects: UTF-8 names

struct Dataset {
  Dataset(hid_t file, const std::filesystem::path& path, const std::string& name);
  Id id, type, space;
};

/// All strings of a dataset or attribute, whichever way they are stored. `read(memory_type, buffer)` calls
/// H5Dread or H5Aread.
template <class Read>
std::vector<std::string> collect_strings(hid_t type, hid_t space, std::uint64_t count, Read&& read) {
  std::vector<std::string> strings(count);
  if (count == 0) return strings;
  if (H5Tis_variable_str(type) > 0) {
    std::vector<char*> pointers(count, nullptr);
    const Id memory(H5Tcopy(type), H5Tclose);
    read(static_cast<hid_t>(memory), pointers.data());
    for (std::uint64_t i = 0; i < count; ++i)
      if (pointers[i] != nullptr) strings[i] = pointers[i];
    H5Dvlen_reclaim(memory, space, H5P_DEFAULT, pointers.data());
    return strings;
  }
  const std::size_t size = H5Tget_size(type);
  const bool space_padded = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
  std::vector<char> bytes(size * count);
  read(type, bytes.data());
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string text(bytes.data() + i * size, size);
    text.erase(space_padded ? text.find_last_not_of(' ') + 1 : std::min(text.find('\0'), size));
    strings[i] = std::move(text);
  }
  return strings;
}

}  // namespace bitsmith::base::hdf5
