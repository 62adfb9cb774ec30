#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <iosfwd>

namespace bitsmith::experiments {

/// Where a command's result and its talk go. Results go to `out` alone, so that they can be piped.
struct Streams {
  std::ostream& out;
  std::ostream& err;
};

/// Adds one subcommand to the program; the subcommand's callback does the work and throws UserError for what
/// the user can mend.
using AddCommand = void (*)(CLI::App& program, const Streams& streams);

void add_stage_commands(CLI::App& program,
                        const Streams& streams);  ///< run, train, profile, search, finetune
void add_check_command(CLI::App& program, const Streams& streams);
void add_describe_command(CLI::App& program, const Streams& streams);
void add_show_command(CLI::App& program, const Streams& streams);
void add_ptq_command(CLI::App& program, const Streams& streams);
void add_qat_command(CLI::App& program, const Streams& streams);
void add_cost_command(CLI::App& program, const Streams& streams);
void add_infer_command(CLI::App& program, const Streams& streams);
void add_export_command(CLI::App& program, const Streams& streams);
void add_verify_command(CLI::App& program, const Streams& streams);
void add_quantize_command(CLI::App& program, const Streams& streams);
void add_requantize_command(CLI::App& program, const Streams& streams);
void add_table_command(CLI::App& program, const Streams& streams);

}  // namespace bitsmith::experiments
