#pragma once

#include <iosfwd>

namespace bitsmith::experiments {

enum ExitCode { kSuccess = 0, kInternalError = 1, kUserError = 2 };

/// The program `bitsmith`: parses the command line, does what it asks, and returns the exit code. Errors are
/// told on `err`, each line of them beginning with "bitsmith: ".
int run_program(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace bitsmith::experiments
