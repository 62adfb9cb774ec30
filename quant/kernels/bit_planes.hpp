#pragma once

#include <cstdint>
#include <vector>

#include "quant/base/aligned_vector.hpp"
#include "quant/kernels/bit_serial_kernels.hpp"
#include "quant/kernels/image_rows.hpp"

namespace bitsmith::quant {

/// The activations of one group of a layer as bit planes: whole images with their padding, a pixel's channels
/// in whole bytes, so that the window of an output pixel is a few runs of bytes wherever it lies, and rows
/// need not be gathered. Taps of a kernel row are one run where they are neighbours.
class BitPlanes {
 public:
  BitPlanes(const RowGeometry& geometry, int planes);

  /// Where the 32-bit words of a row's runs lie behind its start, in bytes, not aligned.
  const std::vector<std::int64_t>& words() const { return words_; }
  std::int64_t plane_bytes() const { return plane_bytes_; }
  bool runs_are_full() const { return full_; }  ///< the words have no bit that is not of the row

  /// Where an input of the window lies: its bit in the words.
  std::int64_t bit_of(int kernel_row, int kernel_column, int channel) const;

  /// Fills the planes from bytes N,H,W,C.
  void pack(const BitSerialKernels& kernels, int group, const void* in);

  /// The starts of output pixels first .. first + count - 1 in plane 0.
  void find_rows(std::int64_t first, std::int64_t count, const std::uint8_t** rows) const;

 private:
  RowGeometry geometry_;
  int planes_;
  bool full_ = false, joined_ = false;
  std::int64_t run_words_ = 0;
  std::int64_t pixel_bytes_ = 0, line_bytes_ = 0, image_bytes_ = 0, plane_bytes_ = 0;
  std::vector<std::int64_t> words_;
  std::vector<std::int64_t> starts_;  ///< of the output pixels of an image
  base::AlignedVector<std::uint8_t> bits_;
};

}  // namespace bitsmith::quant
