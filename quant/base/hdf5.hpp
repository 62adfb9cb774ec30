#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Access to HDF5 files, not their schemas. Objects are addressed by path from the root
/// ("layers/conv1/weight"). Every failure is a UserError that names the file, the object and HDF5's own
/// reason. HDF5 is only called under one process-wide lock, so Files may be used from any thread, one at a
/// time each. Files written here carry a checksum of the whole (hdf5_seal.hpp); those of other programs do
/// not, and HDF5 1.10 is no shield against hostile ones: open only what comes from a trusted source.
namespace bitsmith::base::hdf5 {

using Extents = std::vector<std::uint64_t>;  ///< outermost first; empty: a scalar

enum class ElementType { float32, float64, int32, int64, uint8, uint64, text, other };
std::string_view element_type_name(ElementType type);

template <class T>
constexpr ElementType element_type() {
  if constexpr (std::same_as<T, float>) return ElementType::float32;
  if constexpr (std::same_as<T, double>) return ElementType::float64;
  if constexpr (std::same_as<T, std::int32_t>) return ElementType::int32;
  if constexpr (std::same_as<T, std::int64_t>) return ElementType::int64;
  if constexpr (std::same_as<T, std::uint8_t>) return ElementType::uint8;
  if constexpr (std::same_as<T, std::uint64_t>) return ElementType::uint64;
  return ElementType::other;
}
template <class T>
concept Element = (element_type<T>() != ElementType::other);

template <class T>
struct Array {
  Extents extents;
  std::vector<T> values;  ///< row-major
};

/// Default bound of what one read may allocate.
inline constexpr std::uint64_t kMaxBytes = std::uint64_t{4} << 30;

class Image;

/// One open file: `create (make_group | write | set_attribute | ...)* close` or `open (read | ...)*`.
class File {
 public:
  /// A new file, in place of any old one. It is built in memory and reaches the disk, atomically
  /// (replace_file), when it is closed; without close() it is dropped. Equal contents written in equal order
  /// give equal bytes. Groups list their children in order of creation.
  static File create(const std::filesystem::path& path);
  static File open(const std::filesystem::path& path);  ///< read only

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();
  void close();

  const std::filesystem::path& path() const { return path_; }

  bool exists(const std::string& object) const;
  bool is_group(const std::string& object) const;  ///< false when it does not exist
  std::vector<std::string> children(const std::string& group = "/") const;
  ElementType type(const std::string& dataset) const;
  Extents extents(const std::string& dataset) const;

  void make_group(const std::string& group);  ///< with its parents; may exist

  /// A new dataset; missing parent groups are made. From a few KiB on it is chunked, shuffled, deflated,
  /// checksummed.
  template <Element T>
  void write(const std::string& dataset, std::span<const T> values, const Extents& shape) {
    write_raw(dataset, element_type<T>(), values.data(), values.size(), shape);
  }
  template <Element T>
  void write(const std::string& dataset, const std::vector<T>& values) {
    write(dataset, std::span<const T>(values), {values.size()});
  }
  template <Element T>
  void write(const std::string& dataset, const std::vector<T>& values, const Extents& shape) {
    write(dataset, std::span<const T>(values), shape);
  }
  /// Variable-length UTF-8 strings, which must not hold the character NUL.
  void write_strings(const std::string& dataset, std::span<const std::string> values);
  void write_text(const std::string& dataset, std::string_view text);  ///< one string: a scalar dataset

  /// Numbers are converted when none of them is out of T's range: float to double and back, integers to each
  /// other and to floating point; floating point to integers is refused. More than `max_bytes`, or extents
  /// that the bytes in the file cannot account for, are refused before anything is allocated.
  template <Element T>
  Array<T> read(const std::string& dataset, std::uint64_t max_bytes = kMaxBytes) const {
    Array<T> array{checked_extents(dataset, sizeof(T), max_bytes), {}};
    std::uint64_t count = 1;
    for (std::uint64_t extent : array.extents) count *= extent;
    array.values.resize(count);
    read_raw(dataset, element_type<T>(), array.values.data(), count);
    return array;
  }
  /// Into memory that exists; the number of elements must agree.
  template <Element T>
  void read_into(const std::string& dataset, std::span<T> values) const {
    read_raw(dataset, element_type<T>(), values.data(), values.size());
  }
  /// `count` rows of the outermost dimension, from `first` on, into memory that exists: as much as they hold.
  template <Element T>
  void read_rows(const std::string& dataset, std::uint64_t first, std::uint64_t count,
                 std::span<T> values) const {
    read_rows_raw(dataset, element_type<T>(), first, count, values.data(), values.size());
  }
  /// Rows of one chunk, as the dataset lies in the file; 0 where it is not chunked.
  std::uint64_t chunk_rows(const std::string& dataset) const;
  std::vector<std::string> read_strings(
      const std::string& dataset) const;                    ///< fixed or variable length, any shape
  std::string read_text(const std::string& dataset) const;  ///< exactly one string

  /// Attributes of a group, a dataset or (object "/") the file; an old value is replaced.
  void set_attribute(const std::string& object, const std::string& name, std::string_view value);
  void set_attribute(const std::string& object, const std::string& name, const char* value) {
    set_attribute(object, name, std::string_view(value));
  }
  void set_attribute(const std::string& object, const std::string& name, double value);
  template <std::integral I>
  void set_attribute(const std::string& object, const std::string& name, I value) {
    set_integer_attribute(object, name, static_cast<std::int64_t>(value));
  }
  bool has_attribute(const std::string& object, const std::string& name) const;
  std::vector<std::string> attributes(const std::string& object) const;
  std::string string_attribute(const std::string& object, const std::string& name) const;
  double double_attribute(const std::string& object, const std::string& name) const;
  std::int64_t int_attribute(const std::string& object, const std::string& name) const;

  /// Dimension scales (HDF5's convention that netCDF and xarray read as named coordinates).
  void make_scale(const std::string& dataset, const std::string& scale_name);
  void attach_scale(const std::string& dataset, int axis, const std::string& scale);

 private:
  File(std::int64_t id, std::filesystem::path path, std::unique_ptr<Image> image);

  void make_parent(const std::string& object);
  void write_string_pointers(const std::string& dataset, std::span<const char* const> values,
                             const Extents& shape);
  void write_raw(const std::string& dataset, ElementType type, const void* values, std::uint64_t count,
                 const Extents& shape);
  void read_raw(const std::string& dataset, ElementType type, void* values, std::uint64_t count) const;
  void read_rows_raw(const std::string& dataset, ElementType type, std::uint64_t first, std::uint64_t count,
                     void* values, std::uint64_t elements) const;
  Extents checked_extents(const std::string& dataset, std::uint64_t element_bytes,
                          std::uint64_t max_bytes) const;
  void set_integer_attribute(const std::string& object, const std::string& name, std::int64_t value);

  std::int64_t id_ = -1;  ///< a hid_t
  std::filesystem::path path_;
  std::unique_ptr<Image> image_;  ///< of a new file
};

/// Creates, fills and closes: `path` is replaced when all of it is there, else left as it was.
void write_file(const std::filesystem::path& path, const std::function<void(File&)>& fill);

}  // namespace bitsmith::base::hdf5
