#include "experiments/config/fields.hpp"

namespace bitsmith::experiments {

void visit_fields(FieldVisitor& visitor, hwmodels::HostOptions& options) {
  visitor.visit({.name = "table",
                 .meaning = "HDF5 file of measured prices, reused while it is still true",
                 .shapes_result = false,
                 .empty = "beside the results"},
                &options.table);
  visitor.visit(
      {.name = "batch", .meaning = "images per inference", .unit = "images", .range = between(1, 1024)},
      &options.batch);
  visitor.visit({.name = "samples",
                 .meaning = "timings per kernel and shape, in random order over all of them",
                 .range = between(3, 1000)},
                &options.samples);
  visitor.visit(
      {.name = "sample_ms", .meaning = "length of one timing", .unit = "ms", .range = above_up_to(0, 1000)},
      &options.sample_ms);
  visitor.visit({.name = "cold_weights", .meaning = "price with weights out of the caches instead of warm"},
                &options.cold_weights);
  visitor.visit({.name = "max_age_days",
                 .meaning = "older tables are measured again",
                 .unit = "days",
                 .range = above_up_to(0, 36500),
                 .shapes_result = false},
                &options.max_age_days);
  visitor.visit({.name = "canary_tolerance",
                 .meaning = "a table made while this computer ran its canary loops slower by more than this "
                            "share than now is measured again",
                 .range = above_up_to(0, 1e6),
                 .shapes_result = false},
                &options.canary_tolerance);
}

void visit_fields(FieldVisitor& visitor, hwmodels::CommandOptions& options,
                  std::string_view command_meaning) {
  visitor.visit({.name = "command", .meaning = command_meaning, .empty = "built-in only"}, &options.command);
  visitor.visit({.name = "timeout_s",
                 .meaning = "time the program has for one answer",
                 .unit = "s",
                 .range = above_up_to(0, 1e6),
                 .shapes_result = false},
                &options.timeout_s);
  visitor.visit({.name = "retries",
                 .meaning = "further attempts after a failure, a time-out or an answer that is not valid",
                 .range = between(0, 100),
                 .shapes_result = false},
                &options.retries);
  visitor.visit({.name = "parallel",
                 .meaning = "processes of the program at once",
                 .range = between(1, 1024),
                 .shapes_result = false},
                &options.parallel);
}

}  // namespace bitsmith::experiments
