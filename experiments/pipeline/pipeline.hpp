#pragma once

#include "experiments/config/config.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/results.hpp"

namespace bitsmith::experiments {

/// The stages of a run, in order; each needs those before it, and reuses what an earlier process has made.
enum class Stage { profile, train, search, finetune };

struct RunControl {
  Stage until = Stage::finetune;
  bool resume =
      false;  ///< go on with an unfinished run of this configuration; a finished one is returned as it is
  bool fresh = false;  ///< throw an unfinished run away
  Reporter reporter;
};

/// profile -> prove the budget -> train -> search -> fine-tune and test. After the search, and again at the
/// end, the results are written to config.output and summarised beside it.
///
/// What a stage has made is kept in the work folder (Workspace) until the run is complete: after kill -9 at
/// any moment, `resume` ends with the results that an uninterrupted run would have had. Throws UserError for
/// an infeasible budget before anything is trained; for an unfinished run in the way when neither `resume`
/// nor `fresh` is set; and for a `resume` with another configuration, naming the keys that differ.
RunResults run_pipeline(const Config& config, const RunControl& control);

}  // namespace bitsmith::experiments
