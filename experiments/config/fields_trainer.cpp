#include "experiments/config/fields.hpp"

namespace bitsmith::experiments {

namespace {

constexpr double max_images = 1e8;

}  // namespace

void visit_fields(FieldVisitor& visitor, trainer::DataOptions& options) {
  visit_choice(
      visitor,
      {.name = "format",
       .meaning =
           "of the data files; fashion_mnist is found by itself where Debian's dataset-fashion-mnist is "
           "installed",
       .choices = {"fashion_mnist", "idx", "cifar10", "hdf5", "folder", "numpy"}},
      options.format);
  visitor.visit({.name = "train_files",
                 .meaning = "files with the training images; idx: images, then labels; cifar10: batches; "
                            "hdf5: one file; folder: "
                            "folders with a sub-folder of PNG and JPEG files per class; numpy: .npy of "
                            "images, then of labels, "
                            "or one .npz with the arrays images and labels",
                 .empty = "those of the format's package"},
                &options.train_files);
  visitor.visit({.name = "test_files",
                 .meaning = "files with the test images, likewise; opened once, at the end of a run",
                 .empty = "those of the format's package"},
                &options.test_files);
  visitor.visit({.name = "train_images",
                 .meaning = "images to train with, of those left after the split; 0: all",
                 .unit = "images",
                 .range = between(0, max_images)},
                &options.train_images);
  visitor.visit({.name = "validation_images",
                 .meaning = "taken from the training files, equally from every class: what the search sees",
                 .unit = "images",
                 .range = between(1, max_images)},
                &options.validation_images);
  visitor.visit({.name = "test_images",
                 .meaning = "images of the test files to use; 0: all",
                 .unit = "images",
                 .range = between(0, max_images)},
                &options.test_images);
  visit_choice(visitor,
               {.name = "layout",
                .meaning = "format numpy: where the array of images has its channels",
                .choices = {"nchw", "nhwc"}},
               options.layout);
  visit_choice(visitor,
               {.name = "color",
                .meaning = "what channels images get: those of their files, one of gray or three of colours",
                .choices = {"stored", "gray", "rgb"}},
               options.preprocessing.color);
  visitor.visit({.name = "resize",
                 .meaning = "images are resized, bilinear with antialias: [shorter side] or [height, width]",
                 .unit = "pixels",
                 .range = between(1, trainer::kLargestSide),
                 .max_size = 2,
                 .empty = "they keep their sizes"},
                &options.preprocessing.resize);
  visitor.visit({.name = "crop",
                 .meaning = "and the centre of that is taken: [side] or [height, width]",
                 .unit = "pixels",
                 .range = between(1, trainer::kLargestSide),
                 .max_size = 2,
                 .empty = "nothing is cut off"},
                &options.preprocessing.crop);
  visitor.visit({.name = "mean",
                 .meaning = "subtracted per channel, of pixels scaled to 0..1",
                 .range = between(-10, 10),
                 .empty = "measured on the training images"},
                &options.mean);
  visitor.visit({.name = "deviation",
                 .meaning = "divided by per channel, likewise",
                 .range = above_up_to(0, 10),
                 .empty = "measured on the training images"},
                &options.deviation);
  visitor.visit({.name = "pad",
                 .meaning = "black border added on each side of every image",
                 .unit = "pixels",
                 .range = between(0, 64)},
                &options.pad);
  visitor.visit({.name = "crop_pad",
                 .meaning = "augmentation: pad by this much, then crop at random; 0: off",
                 .unit = "pixels",
                 .range = between(0, 64)},
                &options.crop_pad);
  visitor.visit({.name = "flip", .meaning = "augmentation: mirror half of the images"}, &options.flip);
  visitor.visit({.name = "memory_mib",
                 .meaning = "images of more than this are not loaded but read from their files when needed "
                            "(idx that is not gzipped, hdf5, folder, .npy); results do not depend on it",
                 .unit = "MiB",
                 .range = between(0, 1e9),
                 .shapes_result = false},
                &options.memory_mib);
  visitor.visit({.name = "split_seed",
                 .meaning = "of the split alone, so that runs with other seeds see the same split",
                 .range = between(0, 2147483647)},
                &options.split_seed);
}

void visit_fields(FieldVisitor& visitor, trainer::TrainOptions& options) {
  visitor.visit({.name = "epochs",
                 .meaning = "passes over the training images; fractions allowed, 0: none",
                 .unit = "epochs",
                 .range = between(0, 10000)},
                &options.epochs);
  visitor.visit(
      {.name = "batch", .meaning = "images per optimiser step", .unit = "images", .range = between(1, 65536)},
      &options.batch);
  visitor.visit(
      {.name = "shards",
       .meaning = "parts of a batch, each computed by one thread; part of the result, unlike `threads`",
       .range = between(1, 256)},
      &options.shards);
  visit_choice(visitor,
               {.name = "forward",
                .meaning = "what products are computed in: integer multiplies the deployed integers of "
                           "quantized layers, and leaves others in fp32; a CPU without the instructions uses "
                           "fp32",
                .choices = {"integer", "bf16", "fp32"}},
               options.arithmetic.forward);
  visit_choice(visitor,
               {.name = "backward",
                .meaning = "likewise, of the gradients; sums are fp32 in either",
                .choices = {"bf16", "fp32"}},
               options.arithmetic.backward);
  visit_choice(
      visitor,
      {.name = "optimizer", .meaning = "how steps are made of gradients", .choices = {"sgd", "adam"}},
      options.optimizer);
  visitor.visit({.name = "learning_rate", .meaning = "peak of the schedule", .range = above_up_to(0, 100)},
                &options.learning_rate);
  visitor.visit({.name = "momentum", .meaning = "of sgd", .range = from_up_to_below(0, 1)},
                &options.momentum);
  visitor.visit({.name = "nesterov", .meaning = "sgd with Nesterov's momentum"}, &options.nesterov);
  visitor.visit(
      {.name = "beta1", .meaning = "decay of adam's mean of gradients", .range = from_up_to_below(0, 1)},
      &options.beta1);
  visitor.visit(
      {.name = "beta2", .meaning = "decay of adam's mean of squares", .range = from_up_to_below(0, 1)},
      &options.beta2);
  visitor.visit({.name = "weight_decay",
                 .meaning = "pull of convolution and linear weights towards zero",
                 .range = between(0, 1)},
                &options.weight_decay);
  visit_choice(
      visitor,
      {.name = "schedule",
       .meaning =
           "learning rate over the epochs: constant, falling in steps, along half a cosine to zero, or "
           "along such cosines that start anew",
       .choices = {"constant", "step", "cosine", "cosine_restarts"}},
      options.schedule);
  visitor.visit({.name = "warmup_epochs",
                 .meaning = "the learning rate first rises linearly from 0",
                 .unit = "epochs",
                 .range = between(0, 10000)},
                &options.warmup_epochs);
  visitor.visit({.name = "step_epochs",
                 .meaning = "schedule step: when the learning rate is multiplied by step_factor; ascending",
                 .unit = "epochs",
                 .range = above_up_to(0, 10000),
                 .empty = "never"},
                &options.step_epochs);
  visitor.visit({.name = "step_factor", .meaning = "schedule step: the factor", .range = above_up_to(0, 1)},
                &options.step_factor);
  visitor.visit({.name = "restart_epochs",
                 .meaning = "schedule cosine_restarts: length of the first period",
                 .unit = "epochs",
                 .range = above_up_to(0, 10000)},
                &options.restart_epochs);
  visitor.visit({.name = "restart_factor",
                 .meaning = "schedule cosine_restarts: length of each period over the one before",
                 .range = between(1, 100)},
                &options.restart_factor);
  visitor.visit({.name = "label_smoothing",
                 .meaning = "share of a label spread evenly over all classes",
                 .range = from_up_to_below(0, 1)},
                &options.label_smoothing);
  visitor.visit({.name = "mixup",
                 .meaning = "alpha of the Beta distribution by which pairs of images and their labels are "
                            "mixed; 0: off",
                 .range = between(0, 100)},
                &options.mixup);
  visitor.visit(
      {.name = "clip_norm",
       .meaning = "gradients are scaled down where their L2 norm, of all together, is above; 0: off",
       .range = between(0, 1e9)},
      &options.clip_norm);
  visitor.visit({.name = "ema",
                 .meaning = "decay per step of a moving average of the weights, which is what training ends "
                            "with and what is evaluated; 0: off",
                 .range = from_up_to_below(0, 1)},
                &options.ema);
  visitor.visit({.name = "distillation",
                 .meaning = "share of the fp32 network's answers, in place of the labels, in the loss; for "
                            "finetune only; 0: off",
                 .range = between(0, 1)},
                &options.distillation);
  visitor.visit({.name = "distillation_temperature",
                 .meaning = "by which both networks' logits are divided before they are compared",
                 .range = above_up_to(0, 1000)},
                &options.distillation_temperature);
  visitor.visit({.name = "early_stopping",
                 .meaning = "epochs without improvement on the validation images after which training ends; "
                            "the best weights are kept; 0: never",
                 .unit = "epochs",
                 .range = between(0, 10000)},
                &options.early_stopping);
  visit_choice(visitor,
               {.name = "stop_metric",
                .meaning = "of the validation images, that says which weights are best",
                .choices = {"accuracy", "loss"}},
               options.stop_metric);
  visitor.visit({.name = "min_improvement",
                 .meaning = "of stop_metric, to count as an improvement",
                 .range = between(0, 1)},
                &options.min_improvement);
  visitor.visit({.name = "rollback_factor",
                 .meaning = "a training that diverges goes back to the start of the epoch, once, with the "
                            "learning rate times this; 0: it ends",
                 .range = from_up_to_below(0, 1)},
                &options.rollback_factor);
  visitor.visit({.name = "checkpoint_steps",
                 .meaning = "a checkpoint every so many steps, besides the one of each epoch; 0: none",
                 .unit = "steps",
                 .range = between(0, 1e9),
                 .shapes_result = false},
                &options.checkpoint_steps);
}

}  // namespace bitsmith::experiments
