#include "experiments/config/fields.hpp"
#include "quant/calibration_methods.hpp"

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
}

}  // namespace bitsmith::experiments
