#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "trainer/data/image_store.hpp"
#include "trainer/data/preprocessing.hpp"

namespace bitsmith::trainer {

/// The images of `stored`, prepared: at once and into memory where they take at most `memory_bytes`, else
/// each time one is wanted. The same in either case. Throws UserError (without a file's name) as
/// prepared_shape.
std::shared_ptr<const ImageStore> prepared_images(std::shared_ptr<const ImageStore> stored,
                                                  const Preprocessing& preprocessing,
                                                  std::uint64_t memory_bytes);

/// Whether so many images fit: of bytes, or of floats.
bool fit_memory(const quant::Shape& shape, std::int64_t images, bool floats, std::uint64_t memory_bytes);

}  // namespace bitsmith::trainer
