#include "experiments/config/fields.hpp"

namespace bitsmith::experiments {

void visit_fields(FieldVisitor& visitor, QatConfig& options) {
  visit_choice(visitor,
               {.name = "from",
                .meaning = "the trained fp32 network, or fresh weights",
                .choices = {"trained", "scratch"}},
               options.from);
  visit_policy(visitor, options.weights, options.activations, options.policy);
  visitor.visit(
      {.name = "recalibration_images",
       .meaning = "training images for batch-norm statistics at the end; 0: those of training stay, as "
                  "they do where batch norms are frozen",
       .unit = "images",
       .range = between(0, 1e8)},
      &options.recalibration_images);
}

}  // namespace bitsmith::experiments
