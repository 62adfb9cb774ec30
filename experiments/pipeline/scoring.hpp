#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "experiments/config/config.hpp"
#include "experiments/pipeline/reporter.hpp"
#include "experiments/pipeline/workspace.hpp"
#include "experiments/results.hpp"
#include "search/candidate_trainer.hpp"
#include "search/evaluator.hpp"
#include "trainer/data/data.hpp"
#include "trainer/network.hpp"

namespace bitsmith::experiments {

/// Says how good policies are at each depth of a run: the short score during the search, a fresh one for
/// finalists, and the long fine-tune at the end. One implementation trains networks here, the other asks the
/// user's program, which knows one depth only.
class Scoring {
 public:
  virtual ~Scoring() = default;
  /// The unquantized network, and what rewards are measured against.
  virtual search::Evaluation fp32() = 0;
  virtual search::AccuracyEvaluator& short_evaluator() = 0;
  /// All validation images and other draws than the search saw, so that the luckiest candidate does not win.
  /// Thread-safe.
  virtual search::Evaluation fresh(const quant::Policy& policy) = 0;
  /// After the long fine-tune. Thread-safe; made once, then found again, also by a resumed run.
  virtual search::Evaluation long_finetuned(const quant::Policy& policy) = 0;
  /// The curve of that fine-tune; empty where there was none.
  virtual std::vector<TrainingPoint> finetuning(const quant::Policy& policy) = 0;
  /// Share of right answers on the test images; reads the test files, so it comes last. NaN where there is no
  /// test.
  virtual double test(const quant::Policy& policy) = 0;
};

/// Trains and quantizes here. All arguments must outlive the result.
std::unique_ptr<Scoring> make_builtin_scoring(const Config& config, const trainer::Data& data,
                                              trainer::Network& trained, const Workspace& workspace,
                                              const Reporter& reporter);

/// Asks config.evaluator.program.
std::unique_ptr<Scoring> make_program_scoring(const Config& config, const quant::NetworkInfo& network);

}  // namespace bitsmith::experiments
