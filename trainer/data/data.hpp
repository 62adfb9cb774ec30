#pragma once

#include "trainer/data/data_part.hpp"
#include "trainer/data/data_sources.hpp"
#include "trainer/data/input_form.hpp"
#include "trainer/options.hpp"

namespace bitsmith::trainer {

/// The data of a run: the training files, read and split. The test files are not touched before load_test().
class Data {
 public:
  /// Throws UserError (path and reason) for missing or malformed files and for options that do not fit them.
  explicit Data(DataOptions options);

  const DataPart& train() const { return train_; }
  const DataPart& validation() const { return validation_; }
  /// Reads the test files: once, at the very end of a run. Throws UserError, also when their images differ in
  /// shape from the training files' or their labels are not among the training files' classes.
  DataPart load_test() const;

  quant::Shape shape() const { return train_.shape(); }  ///< of one image as the network sees it
  int classes() const { return train_.classes(); }
  /// What a deployed network must know of its images.
  InputForm input_form() const;
  Augmentation augmentation() const { return {options_.crop_pad, options_.flip}; }
  /// Of the training and validation parts (not of the test files): the data's share in a run's identity.
  std::uint64_t hash() const { return hash_; }

 private:
  struct Parts {
    DataPart train, validation;
  };
  static Parts load(const DataOptions& options);
  Data(DataOptions options, Parts parts);

  DataOptions options_;
  DataPart train_, validation_;
  std::uint64_t hash_;
};

}  // namespace bitsmith::trainer
