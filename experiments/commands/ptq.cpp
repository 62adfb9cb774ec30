#include "experiments/pipeline/ptq.hpp"

#include "experiments/commands/report_command.hpp"

namespace bitsmith::experiments {

void add_ptq_command(CLI::App& program, const Streams& streams) {
  add_report_command<PtqReport>(
      program, streams,
      {"ptq", "Quantize a trained network without training it, step by step, and run it on integers", run_ptq,
       ptq_text, ptq_json});
}

}  // namespace bitsmith::experiments
