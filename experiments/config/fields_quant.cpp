#include "experiments/config/fields.hpp"
#include "quant/calibration_methods.hpp"
#include "quant/qat_methods.hpp"

namespace bitsmith::experiments {

void visit_fields(FieldVisitor& visitor, quant::QuantizationOptions& options) {
  visit_choice(visitor,
               {.name = "weight_granularity",
                .meaning = "one weight scale per tensor or per output channel",
                .choices = {"tensor", "channel"}},
               options.weight_granularity);
  visit_choice(visitor,
               {.name = "weight_calibration",
                .meaning = "how a weight's range is found; bitsmith quantize --list says what each does",
                .choices = quant::calibration_names()},
               options.weight_calibration);
  visit_choice(visitor,
               {.name = "activation_calibration",
                .meaning = "how an activation's range is found; ema: moving average of the largest values",
                .choices = quant::calibration_names()},
               options.activation_calibration);
  visitor.visit({.name = "percentile",
                 .meaning = "share of the values that calibration 'percentile' leaves unclipped",
                 .unit = "%",
                 .range = between(1, 100)},
                &options.percentile);
  visitor.visit({.name = "histogram_bins",
                 .meaning = "bins of the histograms that kl and activations' ranges are found on",
                 .unit = "bins",
                 .range = between(128, 65536)},
                &options.histogram_bins);
  visitor.visit({.name = "calibration_images",
                 .meaning = "training images that set the activation ranges",
                 .unit = "images",
                 .range = between(1, 1e6)},
                &options.calibration_images);
  visitor.visit(
      {.name = "first_layer_bits",
       .meaning = "bits of weights and activations of the first layer; 0: searched like any other; 32: fp32",
       .unit = "bits",
       .integers = {0, 2, 3, 4, 5, 6, 7, 8, 32}},
      &options.first_layer_bits);
  visitor.visit({.name = "last_layer_bits",
                 .meaning = "likewise, of the last layer",
                 .unit = "bits",
                 .integers = {0, 2, 3, 4, 5, 6, 7, 8, 32}},
                &options.last_layer_bits);
  visit_choice(
      visitor,
      {.name = "weight_method",
       .meaning = "how training quantizes weights (trainer/qat/README.md); layers whose format it does "
                  "not serve train straight through",
       .choices = quant::weight_method_names()},
      options.weight_method);
  visit_choice(visitor,
               {.name = "activation_method",
                .meaning = "how training quantizes layers' inputs, likewise; bitnet: qat alone",
                .choices = quant::activation_method_names()},
               options.activation_method);
  visitor.visit(
      {.name = "layers",
       .meaning = "what single layers have in place of the methods above, and (in qat) of their bits",
       .empty = "nothing"},
      &options.layers);
  visit_choice(
      visitor,
      {.name = "batch_norm",
       .meaning = "in training under quantization: batch statistics, measured anew at its end; or with "
                  "weights quantized as if multiplied by it; or running statistics, unchanged",
       .choices = {"recalibrated", "folded", "frozen"}},
      options.batch_norm);
  visitor.visit(
      {.name = "freeze_batch_norm_epochs",
       .meaning = "of training under quantization, after which running statistics are used and kept; "
                  "0: never",
       .unit = "epochs",
       .range = between(0, 10000)},
      &options.freeze_batch_norm_epochs);
  visitor.visit({.name = "observer_epochs",
                 .meaning = "during which activation ranges follow a moving average; then they stay",
                 .unit = "epochs",
                 .range = between(0, 10000)},
                &options.observer_epochs);
  visitor.visit({.name = "progressive_bits",
                 .meaning = "integers of fewer bits train at these first, descending, one after the other",
                 .unit = "bits",
                 .integers = {2, 3, 4, 5, 6, 7, 8},
                 .empty = "at their own from the beginning"},
                &options.progressive_bits);
  visitor.visit({.name = "progressive_epochs",
                 .meaning = "at each of progressive_bits",
                 .unit = "epochs",
                 .range = above_up_to(0, 10000)},
                &options.progressive_epochs);
}

}  // namespace bitsmith::experiments
