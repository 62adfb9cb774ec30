#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace bitsmith::base {

struct JsonProgramOptions {
  std::vector<std::string> command;  ///< program and arguments; no shell
  double timeout_s = 600;            ///< per attempt
  int retries = 1;   ///< further attempts after a failure, a time-out or an answer that is not valid
  int parallel = 2;  ///< processes at once, over all threads that ask
};

/// A user's own program that answers questions: one process per question, one JSON object on its standard
/// input, one on its standard output. Thread-safe.
class JsonProgram {
 public:
  /// `role` and `expected` are for messages: what the program is to us ("evaluator") and what an answer looks
  /// like. Throws UserError for an empty command and for limits out of range.
  JsonProgram(JsonProgramOptions options, std::string role, std::string expected);
  ~JsonProgram();

  /// Asks until an attempt succeeds: exit code 0 and an object that `check` (may be empty; throws UserError)
  /// accepts. Throws UserError that names the program, how each attempt failed, what came back (the last
  /// lines of standard error, the beginning of standard output) and what was expected; at once when the
  /// program cannot be started.
  nlohmann::json ask(const nlohmann::json& question,
                     const std::function<void(const nlohmann::json& answer)>& check = {}) const;

  const JsonProgramOptions& options() const { return options_; }

 private:
  struct Gate;
  JsonProgramOptions options_;
  std::string role_, expected_;
  std::unique_ptr<Gate> gate_;
};

/// answer[key] as a finite number within [low, high]; throws UserError (key, got, allowed) when it is
/// missing, of another type, NaN (JSON null included) or out of range.
double finite_number(const nlohmann::json& answer, const std::string& key, double low, double high);

}  // namespace bitsmith::base
