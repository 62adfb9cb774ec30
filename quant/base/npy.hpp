#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// One array of NumPy's .npy format (numpy/lib/format.py, versions 1 to 3), in C order whatever order the
/// file has.
struct NpyArray {
  enum class Kind { floating, signed_integer, unsigned_integer };
  Kind kind = Kind::floating;
  std::size_t item_bytes = 8;        ///< floating: 4, 8; integers: 1, 2, 4, 8
  std::vector<std::uint64_t> shape;  ///< empty: a scalar
  std::string data;                  ///< little-endian items
  std::string source;                ///< for messages

  std::uint64_t count() const { return data.size() / item_bytes; }
  /// Throw UserError (source, index, value) for values that the wanted type cannot hold: beyond float's
  /// range, integers beyond 2^53 as double or 2^24 as float, anything but integers as int64. NaN and infinity
  /// stay what they are.
  std::vector<float> floats() const;
  std::vector<double> doubles() const;
  std::vector<std::int64_t> integers() const;
};

/// What a .npy file says of its items, which stay where they are.
struct NpyFile {
  NpyArray::Kind kind = NpyArray::Kind::floating;
  std::size_t item_bytes = 8;
  std::vector<std::uint64_t> shape;
  bool fortran_order = false;
  std::uint64_t offset = 0;  ///< of the first item

  std::string type_name() const;  ///< "float32", "uint8"
};

/// Reads the header alone. Throws UserError as read_npy does, also where the file's size does not agree;
/// there is no other limit to its size.
NpyFile read_npy_header(const std::filesystem::path& path);

inline constexpr std::uint64_t kMaxNpyBytes = std::uint64_t{4} << 30;

/// Throws UserError (source, what is wrong) for anything but little-endian f4, f8, i1..i8, u1..u8, and for
/// headers that do not agree with the number of bytes. Never reads beyond `bytes`, nor allocates more than
/// their size.
NpyArray parse_npy(std::string_view bytes, const std::string& source);
NpyArray read_npy(const std::filesystem::path& path);

/// All arrays of an .npz archive (stored or deflated) by name, without ".npy". Throws UserError for damaged
/// archives, entries that are no arrays, and more than `max_bytes` unpacked.
std::map<std::string, NpyArray> read_npz(const std::filesystem::path& path,
                                         std::uint64_t max_bytes = kMaxNpyBytes);

/// The bytes of a .npy file (version 1) of values in C order; T: float, double, int32, int64, uint8.
template <class T>
std::string npy_bytes(std::span<const T> values, const std::vector<std::uint64_t>& shape);

/// Writes an .npz archive, stored, of .npy files (npy_bytes) by name; atomically. Throws UserError.
void write_npz(const std::filesystem::path& path, const std::map<std::string, std::string>& arrays);

/// Writes one atomically (replace_file).
template <class T>
void write_npy(const std::filesystem::path& path, std::span<const T> values,
               const std::vector<std::uint64_t>& shape);

}  // namespace bitsmith::base
