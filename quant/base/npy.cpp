#include "quant/base/npy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/npy_header.hpp"
#include "quant/base/random_access_file.hpp"

namespace bitsmith::base {
namespace {

static_assert(std::endian::native == std::endian::little, "items are copied as they are in the file");

constexpr std::string_view kMagic = "\x93NUMPY";

// Sets kind and item_bytes.
void read_type(const std::string& descr, const std::string& source, NpyFile& file) {
  const std::string allowed = "little-endian f4, f8, i1, i2, i4, i8, u1, u2, u4, u8";
  const auto refuse = [&] {
    throw UserError(fmt::format("{}: element type '{}'; supported are {}", source, descr, allowed));
  };
  if (descr.size() != 3) refuse();
  const char order = descr[0], kind = descr[1];
  file.item_bytes = static_cast<std::size_t>(descr[2] - '0');
  const std::size_t n = file.item_bytes;
  const bool integer_size = n == 1 || n == 2 || n == 4 || n == 8;
  if (order != '<' && !((order == '|' || order == '=') && n == 1)) refuse();
  if (kind == 'f' && (n == 4 || n == 8))
    file.kind = NpyArray::Kind::floating;
  else if (kind == 'i' && integer_size)
    file.kind = NpyArray::Kind::signed_integer;
  else if (kind == 'u' && integer_size)
    file.kind = NpyArray::Kind::unsigned_integer;
  else
    refuse();
}

// Items from first-index-fastest to last-index-fastest.
std::string to_c_order(std::string_view items, const std::vector<std::uint64_t>& shape,
                       std::size_t item_bytes) {
  std::string ordered(items.size(), '\0');
  std::vector<std::uint64_t> index(shape.size(), 0);
  for (std::size_t to = 0; to < items.size(); to += item_bytes) {
    std::uint64_t from = 0;
    for (std::size_t d = shape.size(); d-- > 0;) from = from * shape[d] + index[d];
    std::memcpy(ordered.data() + to, items.data() + from * item_bytes, item_bytes);
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return ordered;
}

// Calls visit(index, item) with each item in its own type.
template <class Visit>
void for_each_item(const NpyArray& array, Visit&& visit) {
  const auto run = [&]<class T>(T item) {
    for (std::size_t i = 0; i < array.count(); ++i) {
      std::memcpy(&item, array.data.data() + i * sizeof item, sizeof item);
      visit(i, item);
    }
  };
  const std::size_t n = array.item_bytes;
  switch (array.kind) {
    case NpyArray::Kind::floating:
      return n == 4 ? run(float{}) : run(double{});
    case NpyArray::Kind::signed_integer:
      return n == 1   ? run(std::int8_t{})
             : n == 2 ? run(std::int16_t{})
             : n == 4 ? run(std::int32_t{})
                      : run(std::int64_t{});
    case NpyArray::Kind::unsigned_integer:
      return n == 1   ? run(std::uint8_t{})
             : n == 2 ? run(std::uint16_t{})
             : n == 4 ? run(std::uint32_t{})
                      : run(std::uint64_t{});
  }
}

// Whether `item` survives as To. Integers must survive exactly; rounding of doubles to floats is accepted.
template <class To, class From>
bool fits(From item) {
  if constexpr (std::is_floating_point_v<From>) {
    if (!std::isfinite(item)) return true;
    return std::abs(static_cast<double>(item)) <= static_cast<double>(std::numeric_limits<To>::max());
  } else if constexpr (std::is_floating_point_v<To>) {
    constexpr std::int64_t kExact = std::int64_t{1} << std::numeric_limits<To>::digits;
    return std::in_range<std::int64_t>(item) && static_cast<std::int64_t>(item) <= kExact &&
           static_cast<std::int64_t>(item) >= -kExact;
  } else {
    return std::in_range<To>(item);
  }
}

template <class To>
std::vector<To> convert(const NpyArray& array, std::string_view type_name) {
  std::vector<To> values(array.count());
  for_each_item(array, [&](std::size_t i, auto item) {
    if (!fits<To>(item))
      throw UserError(
          fmt::format("{}: item {} is {}, which {} cannot hold", array.source, i, item, type_name));
    values[i] = static_cast<To>(item);
  });
  return values;
}

// Of a file of `size` bytes that begins with `bytes`. Headers that say more than `most` bytes of items do not
// agree with any file.
NpyFile parse_beginning(std::string_view bytes, std::uint64_t size, std::uint64_t most,
                        const std::string& source) {
  NpyFile file;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i]));
  };
  if (bytes.substr(0, kMagic.size()) != kMagic) throw UserError(fmt::format("{}: not a .npy array", source));
  constexpr std::size_t kVersionAt = 6, kLengthAt = 8;
  if (bytes.size() < kLengthAt + 4) throw UserError(fmt::format("{}: truncated in its header", source));
  const std::size_t version = byte(kVersionAt);
  if (version < 1 || version > 3)
    throw UserError(fmt::format("{}: .npy version {}; supported are 1, 2, 3", source, version));
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0;) length = length << 8 | byte(kLengthAt + i);
  const std::size_t begin = kLengthAt + length_bytes;
  if (length > bytes.size() - begin) throw UserError(fmt::format("{}: truncated in its header", source));
  NpyHeader header = parse_npy_header(bytes.substr(begin, length), source);
  read_type(header.descr, source, file);
  file.offset = begin + length;

  bool too_large = false, none = false;
  std::uint64_t wanted = file.item_bytes;
  for (std::uint64_t extent : header.shape) {
    none = none || extent == 0;
    too_large = too_large || (extent > 0 && wanted > most / extent);
    if (!too_large && extent > 0) wanted *= extent;
  }
  if (none) wanted = 0;
  const std::uint64_t follow = size - file.offset;
  if (wanted != follow || (too_large && !none))
    throw UserError(fmt::format("{}: its header says {} items of {} bytes, but {} bytes follow", source,
                                fmt::join(header.shape, " x "), file.item_bytes, follow));
  file.shape = std::move(header.shape);
  file.fortran_order = header.fortran_order;
  return file;
}

}  // namespace

std::vector<float> NpyArray::floats() const { return convert<float>(*this, "a 32-bit float"); }

std::vector<double> NpyArray::doubles() const { return convert<double>(*this, "a 64-bit float"); }

std::vector<std::int64_t> NpyArray::integers() const {
  if (kind == Kind::floating)
    throw UserError(fmt::format("{}: holds floating-point numbers, expected integers", source));
  return convert<std::int64_t>(*this, "a 64-bit integer");
}

NpyArray parse_npy(std::string_view bytes, const std::string& source) {
  const NpyFile file = parse_beginning(bytes, bytes.size(), kMaxNpyBytes, source);
  const std::string_view items = bytes.substr(file.offset);
  const bool reorder = file.fortran_order && file.shape.size() > 1;
  return {file.kind, file.item_bytes, file.shape,
          reorder ? to_c_order(items, file.shape, file.item_bytes) : std::string(items), source};
}

std::string NpyFile::type_name() const {
  const std::string_view name = kind == NpyArray::Kind::floating         ? "float"
                                : kind == NpyArray::Kind::signed_integer ? "int"
                                                                         : "uint";
  return fmt::format("{}{}", name, 8 * item_bytes);
}

NpyFile read_npy_header(const std::filesystem::path& path) {
  constexpr std::uint64_t kLongestHeader = 1 << 20;
  const RandomAccessFile file(path);
  std::string beginning(static_cast<std::size_t>(std::min(file.size(), kLongestHeader)), '\0');
  file.read(0, std::as_writable_bytes(std::span(beginning)));
  return parse_beginning(beginning, file.size(), file.size(), path.string());
}

NpyArray read_npy(const std::filesystem::path& path) {
  return parse_npy(read_file(path, kMaxNpyBytes), path.string());
}

template <class T>
std::string npy_bytes(std::span<const T> values, const std::vector<std::uint64_t>& shape) {
  std::uint64_t count = 1;
  for (std::uint64_t extent : shape) count *= extent;
  require(count == values.size(), "npy: the number of values is not that of the shape");
  const char kind = std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
  std::string header = fmt::format("{{'descr': '{}{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   sizeof(T) == 1 ? '|' : '<', kind, sizeof(T), fmt::join(shape, ", "),
                                   shape.size() == 1 ? "," : "");
  constexpr std::size_t kAlignment = 64, kPrefix = 10;  // the data begin at a multiple, after a line feed
  header.append(kAlignment - 1 - (kPrefix + header.size()) % kAlignment, ' ');
  header.push_back('\n');
  std::string bytes(kMagic);
  bytes += {'\1', '\0', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return bytes;
}

template <class T>
void write_npy(const std::filesystem::path& path, std::span<const T> values,
               const std::vector<std::uint64_t>& shape) {
  replace_file(path, npy_bytes(values, shape));
}

template std::string npy_bytes(std::span<const float>, const std::vector<std::uint64_t>&);
template std::string npy_bytes(std::span<const double>, const std::vector<std::uint64_t>&);
template std::string npy_bytes(std::span<const std::int32_t>, const std::vector<std::uint64_t>&);
template std::string npy_bytes(std::span<const std::int64_t>, const std::vector<std::uint64_t>&);
template std::string npy_bytes(std::span<const std::uint8_t>, const std::vector<std::uint64_t>&);
template void write_npy(const std::filesystem::path&, std::span<const float>,
                        const std::vector<std::uint64_t>&);
template void write_npy(const std::filesystem::path&, std::span<const double>,
                        const std::vector<std::uint64_t>&);
template void write_npy(const std::filesystem::path&, std::span<const std::int32_t>,
                        const std::vector<std::uint64_t>&);
template void write_npy(const std::filesystem::path&, std::span<const std::int64_t>,
                        const std::vector<std::uint64_t>&);
template void write_npy(const std::filesystem::path&, std::span<const std::uint8_t>,
                        const std::vector<std::uint64_t>&);

}  // namespace bitsmith::base
