#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "quant/base/hdf5.hpp"
#include "quant/base/random_access_file.hpp"
#include "quant/network_info.hpp"
#include "trainer/data/array_layout.hpp"
#include "trainer/data/image_decoder.hpp"
#include "trainer/data/preprocessing.hpp"

namespace bitsmith::trainer {

/// Memory that a reader of images lends, and reuses from image to image.
struct ImageScratch {
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<std::uint8_t> file;       ///< what is decoded
  DecodedImage decoded;                 ///< what becomes `bytes`
  PreparationScratch preparation;       ///< for that
  std::unique_ptr<ImageScratch> inner;  ///< of a store behind another one
};

/// This thread's own.
ImageScratch& thread_image_scratch();

/// Images of one shape, wherever they are: all bytes (0..255) or all floats. Immutable; any number of threads
/// may read at the same time, each with a scratch of its own.
class ImageStore {
 public:
  ImageStore(quant::Shape shape, std::int64_t images, bool has_floats)
      : shape_(shape), images_(images), has_floats_(has_floats) {}
  virtual ~ImageStore() = default;

  const quant::Shape& shape() const { return shape_; }
  std::int64_t images() const { return images_; }
  bool has_floats() const { return has_floats_; }
  /// Whether an image costs so much, being decoded or resized, that several are better made at once.
  virtual bool is_slow() const { return false; }
  /// The pixels of one image, H, W, C: the store's own memory or `scratch`, good until that is used again. Of
  /// the kind that the store has. Throws UserError when a file cannot be read any more.
  virtual const std::uint8_t* bytes(std::int64_t index, ImageScratch& scratch) const;
  virtual const float* floats(std::int64_t index, ImageScratch& scratch) const;

 private:
  quant::Shape shape_;
  std::int64_t images_;
  bool has_floats_;
};

/// Images in memory, N, H, W, C.
std::shared_ptr<const ImageStore> images_in_memory(quant::Shape shape, std::vector<std::uint8_t> pixels);
std::shared_ptr<const ImageStore> images_in_memory(quant::Shape shape, std::vector<float> pixels);

/// Where the images of a file are.
struct FileImages {
  std::uint64_t offset = 0;  ///< of the first
  quant::Shape shape = {};
  std::int64_t images = 0;
  ArrayLayout layout = ArrayLayout::nchw;
  bool floats = false;  ///< float32 as this computer has it, or bytes
};

/// Images that stay in a file and are read one by one. Throws UserError unless the file holds so many.
std::shared_ptr<const ImageStore> images_in_file(const std::string& path, const FileImages& where);

/// Images that stay in the dataset `images` (N, C, H, W; uint8 or float32) of an HDF5 file, and are read in
/// blocks of neighbours, those of the file where it is chunked. Blocks of up to `memory_bytes`, at least one,
/// are kept.
std::shared_ptr<const ImageStore> images_in_hdf5(const std::string& path, std::uint64_t memory_bytes);

}  // namespace bitsmith::trainer
