#include "experiments/pipeline/qat.hpp"

#include "experiments/commands/report_command.hpp"

namespace bitsmith::experiments {

void add_qat_command(CLI::App& program, const Streams& streams) {
  add_report_command<QatReport>(
      program, streams,
      {"qat", "Train a network under a quantization that is given, and run it on integers", run_qat, qat_text,
       qat_json});
}

}  // namespace bitsmith::experiments
