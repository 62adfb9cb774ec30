#include "quant/base/hdf5_image.hpp"

#include <cstdlib>
#include <cstring>

namespace bitsmith::base::hdf5 {

Image::~Image() { std::free(memory_); }

Id Image::access() {
  constexpr std::size_t kGrowth = 64 << 10;
  H5FD_file_image_callbacks_t callbacks{};
  callbacks.image_malloc = [](std::size_t size, H5FD_file_image_op_t operation, void* self) {
    return resize(nullptr, size, operation, self);
  };
  callbacks.image_realloc = resize;
  callbacks.image_free = release;
  callbacks.udata_copy = [](void* self) { return self; };
  callbacks.udata_free = [](void*) -> herr_t { return 0; };
  callbacks.udata = this;
  Id access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_fapl_core(access, kGrowth, false);
  H5Pset_file_image_callbacks(access, &callbacks);
  return access;
}

std::string_view Image::bytes() const {
  // The image grows in steps; the superblock (version 2, HDF5 file format II.A) says at byte 28 where the
  // file ends.
  constexpr std::size_t kEndAddress = 28;
  std::uint64_t end = size_;
  if (size_ >= kEndAddress + sizeof end) std::memcpy(&end, memory_ + kEndAddress, sizeof end);
  return {memory_, std::min<std::size_t>(end, size_)};
}

void* Image::resize(void* memory, std::size_t size, H5FD_file_image_op_t, void* self) {
  void* const resized = std::realloc(memory, size);
  if (resized != nullptr) static_cast<Image*>(self)->size_ = size;
  return resized;
}

herr_t Image::release(void* memory, H5FD_file_image_op_t operation, void* self) {
  if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
    static_cast<Image*>(self)->memory_ = static_cast<char*>(memory);
  else
    std::free(memory);
  return 0;
}

}  // namespace bitsmith::base::hdf5
