#pragma once

#include <string>
#include <vector>

#include "trainer/data/normalization.hpp"
#include "trainer/data/preprocessing.hpp"

namespace bitsmith::trainer {

/// What files of images must become before the network sees them: prepared, then normalised, then padded.
struct InputForm {
  Normalization normalization;  ///< empty: pixels are taken as they are, bytes scaled to 0..1
  int pad = 0;                  ///< pixels of black on each side; the network's input includes them
  Preprocessing preprocessing = {};
  std::vector<std::string> class_names = {};  ///< by label; empty where the training files had none
};

}  // namespace bitsmith::trainer
