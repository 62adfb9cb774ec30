#pragma once

#include <hdf5.h>

#include <string_view>

#include "quant/base/hdf5_handle.hpp"

namespace bitsmith::base::hdf5 {

/// The memory in which a new file is built. HDF5 1.10 cannot recover from a failed write (a full disk crashes
/// it when it closes what is left), so it never writes to disk: the finished bytes do, in one go. They are
/// taken over when HDF5 closes the file, because H5Fget_file_image gives a wrong checksum for this format
/// (HDFGroup/hdf5#1915).
class Image {
 public:
  Image() = default;
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  /// Access properties of a file that lives in this image, which must outlive it.
  Id access();
  /// The finished file; valid after H5Fclose.
  std::string_view bytes() const;

 private:
  static void* resize(void* memory, std::size_t size, H5FD_file_image_op_t, void* self);
  static herr_t release(void* memory, H5FD_file_image_op_t operation, void* self);

  char* memory_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace bitsmith::base::hdf5
