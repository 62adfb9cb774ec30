#include <fmt/format.h>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "quant/base/hdf5_handle.hpp"

namespace bitsmith::base::hdf5 {
namespace {

hid_t native_type(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return H5T_NATIVE_FLOAT;
    case ElementType::float64:
      return H5T_NATIVE_DOUBLE;
    case ElementType::int32:
      return H5T_NATIVE_INT32;
    case ElementType::int64:
      return H5T_NATIVE_INT64;
    case ElementType::uint8:
      return H5T_NATIVE_UINT8;
    case ElementType::uint64:
      return H5T_NATIVE_UINT64;
    case ElementType::text:
    case ElementType::other:
      break;
  }
  throw InternalError("not a number type");
}

// Little-endian on disk whatever the machine, so that equal contents are equal bytes.
hid_t stored_type(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return H5T_IEEE_F32LE;
    case ElementType::float64:
      return H5T_IEEE_F64LE;
    case ElementType::int32:
      return H5T_STD_I32LE;
    case ElementType::int64:
      return H5T_STD_I64LE;
    case ElementType::uint8:
      return H5T_STD_U8LE;
    case ElementType::uint64:
      return H5T_STD_U64LE;
    case ElementType::text:
    case ElementType::other:
      break;
  }
  throw InternalError("not a number type");
}

std::uint64_t element_count(const Extents& shape) {
  std::uint64_t count = 1;
  for (std::uint64_t extent : shape) count *= extent;
  return count;
}

Extents space_extents(hid_t space) {
  std::vector<hsize_t> extents(static_cast<std::size_t>(std::max(H5Sget_simple_extent_ndims(space), 0)));
  if (!extents.empty()) H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  return Extents(extents.begin(), extents.end());
}

Id make_space(const Extents& shape) {
  if (shape.empty()) return Id(H5Screate(H5S_SCALAR), H5Sclose);
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  return Id(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
}

// Chunks of about 256 KiB: a few of them fit HDF5's chunk cache, and thousands of rows compress as one.
Id dataset_properties(const Extents& shape, std::uint64_t element_bytes, bool compress) {
  constexpr std::uint64_t kSmall = 4096, kChunkBytes = 256 << 10;
  Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_attr_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_obj_track_times(properties, false);
  if (!compress || element_count(shape) * element_bytes <= kSmall) return properties;
  std::vector<hsize_t> chunk(shape.begin(), shape.end());
  std::uint64_t bytes = element_count(shape) * element_bytes;
  for (auto& extent : chunk)
    while (bytes > kChunkBytes && extent > 1) {
      bytes /= extent;
      extent = (extent + 1) / 2;
      bytes *= extent;
    }
  H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
  H5Pset_shuffle(properties);
  H5Pset_deflate(properties, 4);
  H5Pset_fletcher32(properties);
  return properties;
}

// Without it HDF5 clips numbers that are out of range in silence.
H5T_conv_ret_t refuse_out_of_range(H5T_conv_except_t kind, hid_t, hid_t, void*, void*, void* seen) {
  const bool out_of_range = kind == H5T_CONV_EXCEPT_RANGE_HI || kind == H5T_CONV_EXCEPT_RANGE_LOW;
  if (!out_of_range) return H5T_CONV_UNHANDLED;
  *static_cast<bool*>(seen) = true;
  return H5T_CONV_ABORT;
}

bool is_floating(ElementType type) { return type == ElementType::float32 || type == ElementType::float64; }

struct Selection {
  hid_t memory, file;
};

void read_numbers(const std::filesystem::path& path, const std::string& dataset, const Dataset& opened,
                  ElementType type, Selection selection, void* values, std::uint64_t count) {
  const ElementType stored = classify(opened.type);
  if (stored == ElementType::text || stored == ElementType::other ||
      (is_floating(stored) && !is_floating(type)))
    fail(path, "read", dataset,
         fmt::format("it holds {}, expected {}", element_type_name(stored), element_type_name(type)));
  if (count == 0) return;
  bool out_of_range = false;
  const Id transfer(H5Pcreate(H5P_DATASET_XFER), H5Pclose);
  H5Pset_type_conv_cb(transfer, refuse_out_of_range, &out_of_range);
  if (H5Dread(opened.id, native_type(type), selection.memory, selection.file, transfer, values) >= 0) return;
  const std::string reason = library_reason();
  fail(path, "read", dataset,
       out_of_range ? fmt::format("a number is out of the range of {}", element_type_name(type)) : reason);
}

}  // namespace

std::string_view element_type_name(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return "float32";
    case ElementType::float64:
      return "float64";
    case ElementType::int32:
      return "int32";
    case ElementType::int64:
      return "int64";
    case ElementType::uint8:
      return "uint8";
    case ElementType::uint64:
      return "uint64";
    case ElementType::text:
      return "string";
    case ElementType::other:
      break;
  }
  return "unsupported type";
}

ElementType File::type(const std::string& dataset) const {
  const Lock lock;
  return classify(Dataset(id_, path_, dataset).type);
}

Extents File::extents(const std::string& dataset) const {
  const Lock lock;
  return space_extents(Dataset(id_, path_, dataset).space);
}

void File::write_raw(const std::string& dataset, ElementType type, const void* values, std::uint64_t count,
                     const Extents& shape) {
  require(element_count(shape) == count, "hdf5: the number of values is not that of the extents");
  const Lock lock;
  make_parent(dataset);
  const Id space = make_space(shape), links = link_properties();
  const Id properties = dataset_properties(shape, H5Tget_size(stored_type(type)), true);
  const Id id(
      checked(H5Dcreate2(id_, dataset.c_str(), stored_type(type), space, links, properties, H5P_DEFAULT),
              path_, "make the dataset", dataset),
      H5Dclose);
  if (count > 0)
    checked(H5Dwrite(id, native_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, values), path_, "write", dataset);
}

void File::write_string_pointers(const std::string& dataset, std::span<const char* const> values,
                                 const Extents& shape) {
  const Lock lock;
  make_parent(dataset);
  const Id space = make_space(shape), links = link_properties(), type = utf8_type();
  const Id properties = dataset_properties({}, 1, false);  // filters would see references to the strings only
  const Id id(checked(H5Dcreate2(id_, dataset.c_str(), type, space, links, properties, H5P_DEFAULT), path_,
                      "make the dataset", dataset),
              H5Dclose);
  if (!values.empty())
    checked(H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), path_, "write", dataset);
}

void File::write_strings(const std::string& dataset, std::span<const std::string> values) {
  std::vector<const char*> pointers;
  for (const auto& value : values) {
    if (value.find('\0') != std::string::npos)
      fail(path_, "write", dataset, "a string holds the character NUL");
    pointers.push_back(value.c_str());
  }
  write_string_pointers(dataset, pointers, {values.size()});
}

void File::write_text(const std::string& dataset, std::string_view text) {
  if (text.find('\0') != std::string_view::npos)
    fail(path_, "write", dataset, "the text holds the character NUL");
  const std::string copy(text);
  const char* const pointer = copy.c_str();
  write_string_pointers(dataset, {&pointer, 1}, {});
}

Extents File::checked_extents(const std::string& dataset, std::uint64_t element_bytes,
                              std::uint64_t max_bytes) const {
  const Lock lock;
  const Dataset opened(id_, path_, dataset);
  const Extents shape = space_extents(opened.space);
  std::uint64_t bytes = element_bytes;
  bool too_many = false, empty = false;
  for (std::uint64_t extent : shape) {
    if (extent == 0) empty = true;
    too_many = too_many || (extent != 0 && bytes > max_bytes / extent);
    if (!too_many) bytes *= std::max<std::uint64_t>(extent, 1);
  }
  if (empty) return shape;
  if (too_many || bytes > max_bytes)
    fail(path_, "read", dataset, fmt::format("its extents ask for more than {} bytes", max_bytes));
  // Deflate shrinks to 1/1032 at most: bytes beyond that are holes in a damaged or hostile file.
  constexpr std::uint64_t kMaxRatio = 1100;
  const std::uint64_t stored = H5Dget_storage_size(opened.id);
  const std::uint64_t elements = bytes / element_bytes;
  if (stored == 0 || elements / kMaxRatio > stored)
    fail(path_, "read", dataset,
         fmt::format("its extents ask for {} elements, but it holds {} bytes", elements, stored));
  return shape;
}

void File::read_raw(const std::string& dataset, ElementType type, void* values, std::uint64_t count) const {
  const Lock lock;
  const Dataset opened(id_, path_, dataset);
  const std::uint64_t found = element_count(space_extents(opened.space));
  if (found != count)
    fail(path_, "read", dataset, fmt::format("it has {} elements, expected {}", found, count));
  read_numbers(path_, dataset, opened, type, {H5S_ALL, H5S_ALL}, values, count);
}

void File::read_rows_raw(const std::string& dataset, ElementType type, std::uint64_t first,
                         std::uint64_t count, void* values, std::uint64_t elements) const {
  const Lock lock;
  const Dataset opened(id_, path_, dataset);
  Extents extents = space_extents(opened.space);
  if (extents.empty() || first > extents[0] || count > extents[0] - first)
    fail(path_, "read", dataset, fmt::format("it has no rows {} to {}", first, first + count));
  extents[0] = count;
  require(element_count(extents) == elements, "hdf5: the number of values is not that of the rows");
  std::vector<hsize_t> start(extents.size()), size(extents.begin(), extents.end());
  start[0] = first;
  checked(H5Sselect_hyperslab(opened.space, H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr),
          path_, "select rows of", dataset);
  const Id memory = make_space(extents);
  read_numbers(path_, dataset, opened, type, {memory, opened.space}, values, elements);
}

std::uint64_t File::chunk_rows(const std::string& dataset) const {
  const Lock lock;
  const Dataset opened(id_, path_, dataset);
  const Id properties(H5Dget_create_plist(opened.id), H5Pclose);
  if (H5Pget_layout(properties) != H5D_CHUNKED) return 0;
  hsize_t extents[H5S_MAX_RANK];
  const int rank = H5Pget_chunk(properties, H5S_MAX_RANK, extents);
  return rank > 0 ? extents[0] : 0;
}

std::vector<std::string> File::read_strings(const std::string& dataset) const {
  const Lock lock;
  checked_extents(dataset, sizeof(std::string), kMaxBytes);
  const Dataset opened(id_, path_, dataset);
  if (H5Tget_class(opened.type) != H5T_STRING) fail(path_, "read", dataset, "it does not hold strings");
  const std::uint64_t count = element_count(space_extents(opened.space));
  if (H5Tis_variable_str(opened.type) <= 0) checked_extents(dataset, H5Tget_size(opened.type), kMaxBytes);
  return collect_strings(opened.type, opened.space, count, [&](hid_t type, void* into) {
    checked(H5Dread(opened.id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, into), path_, "read", dataset);
  });
}

std::string File::read_text(const std::string& dataset) const {
  auto strings = read_strings(dataset);
  if (strings.size() != 1)
    fail(path_, "read", dataset, fmt::format("it holds {} strings, expected one", strings.size()));
  return std::move(strings.front());
}

}  // namespace bitsmith::base::hdf5
