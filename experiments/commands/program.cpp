#include "experiments/commands/program.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "experiments/commands/command.hpp"
#include "hwmodels/provenance.hpp"
#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/kernels/onednn_isa.hpp"
#include "quant/kernels/self_test.hpp"

namespace bitsmith::experiments {

namespace {

constexpr AddCommand commands[] = {
    add_stage_commands, add_ptq_command,      add_qat_command,       add_check_command,  add_describe_command,
    add_show_command,   add_infer_command,    add_cost_command,      add_export_command, add_verify_command,
    add_table_command,  add_quantize_command, add_requantize_command};

constexpr const char* footer =
    "Exit codes: 0 success; 1 a mistake of this program; 2 a mistake in the command line, the configuration "
    "or a\n"
    "file, told on standard error.\n"
    "Start with: bitsmith run configs/quickstart.yaml";

/// Names that could have been meant where an argument was not understood.
std::vector<std::string> known_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// The argument that nobody wanted, with what may have been meant.
std::string unexpected_argument(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  const CLI::App& app = chosen.empty() ? program : *chosen.front();
  const std::vector<std::string> left = program.remaining(true);
  if (left.empty()) return "an argument was not expected";
  const std::vector<std::string> names = known_names(app);
  const std::string& argument = left.front();
  const std::string hint = base::did_you_mean(argument.substr(0, argument.find('=')), names);
  if (!chosen.empty()) return fmt::format("{}: '{}' was not expected{}", app.get_name(), argument, hint);
  return fmt::format("there is no command '{}'{}", argument, hint.empty() ? "; see bitsmith --help" : hint);
}

int tell_user(std::ostream& err, const std::string& message) {
  std::size_t at = 0;
  while (at <= message.size()) {
    const std::size_t end = std::min(message.find('\n', at), message.size());
    err << "bitsmith: " << message.substr(at, end - at) << "\n";
    at = end + 1;
  }
  err << std::flush;
  return kUserError;
}

int parse_and_run(CLI::App& program, int argc, const char* const* argv, const Streams& streams) {
  try {
    program.parse(argc, argv);
  } catch (const CLI::Success& asked_for_text) {  // --help, --version
    return program.exit(asked_for_text, streams.out, streams.err);
  } catch (const CLI::ExtrasError&) {
    return tell_user(streams.err, unexpected_argument(program));
  } catch (const CLI::ParseError& error) {
    // A mistyped command is left over, and then the command is what is missing.
    const bool no_command = program.get_subcommands().empty() && !program.remaining(true).empty();
    if (no_command) return tell_user(streams.err, unexpected_argument(program));
    return tell_user(streams.err, fmt::format("{}; see bitsmith --help", error.what()));
  }
  streams.out << std::flush;
  if (!streams.out) throw base::UserError("cannot write to standard output");
  return kSuccess;
}

}  // namespace

int run_program(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  const Streams streams{out, err};
  try {
    quant::restrain_onednn();
#ifdef BITSMITH_SELF_TEST
    quant::self_test_kernels();
#endif
    CLI::App program("Finds the best bit-width of every layer of a network on given hardware, and proves it.",
                     "bitsmith");
    program.set_version_flag("--version", hwmodels::current_provenance().program);
    program.require_subcommand(1);
    program.footer(footer);
    for (const AddCommand add : commands) add(program, streams);
    return parse_and_run(program, argc, argv, streams);
  } catch (const base::UserError& error) {
    return tell_user(err, error.what());
  } catch (const std::exception& error) {
    err << "bitsmith: internal error, please report it: " << error.what() << std::endl;
    return kInternalError;
  }
}

}  // namespace bitsmith::experiments
