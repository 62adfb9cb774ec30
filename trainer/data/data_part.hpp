#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/data/dataset.hpp"
#include "trainer/data/normalization.hpp"

namespace bitsmith::trainer {

/// The images of one part (training, validation, test), ready to be handed to a network. Immutable, so any
/// number of sources on any threads may read one part at the same time.
class DataPart {
 public:
  /// `pad` pixels of black are added on each side, before normalisation. Throws UserError unless 0 <= pad <=
  /// 1024.
  DataPart(Dataset dataset, Normalization normalization, int pad);

  quant::Shape shape() const { return shape_; }  ///< with the border
  int classes() const { return dataset_.classes; }
  std::int64_t images() const { return dataset_.images(); }
  const std::vector<int>& labels() const { return dataset_.labels; }
  bool has_labels() const { return dataset_.has_labels; }
  /// The name of the image's file, or its number.
  std::string image_name(std::int64_t index) const;
  const std::vector<std::string>& class_names() const { return dataset_.class_names; }
  /// Whether writing an image costs so much that several are better written at once.
  bool is_slow() const { return dataset_.pixels->is_slow(); }
  const Normalization& normalization() const { return normalization_; }
  /// Of the images, the labels and what is done to them: the data's share in a run's identity.
  std::uint64_t hash() const;

  /// Writes image `index` (H, W, C) moved down by `dy` and right by `dx`, mirrored left to right after that
  /// when `mirror`. What moves in from outside is black.
  void write(std::int64_t index, int dy, int dx, bool mirror, float* out) const;

 private:
  template <class T, class Convert>
  void place(const T* image, int dy, int dx, bool mirror, float* out, Convert&& convert) const;

  Dataset dataset_;
  Normalization normalization_;
  int pad_;
  quant::Shape shape_;
  std::vector<float> table_;           ///< [byte value][channel], normalised
  std::vector<float> offset_, scale_;  ///< per channel: normalised = (x - offset) * scale
  std::vector<float> border_row_;      ///< one row of black
};

}  // namespace bitsmith::trainer
