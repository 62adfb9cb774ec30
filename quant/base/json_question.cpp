#include "quant/base/json_question.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <semaphore>

#include "quant/base/error.hpp"
#include "quant/base/subprocess.hpp"

namespace bitsmith::base {
namespace {

using nlohmann::json;

constexpr std::size_t kShownCharacters = 600;

// Messages go to terminals and logs: other bytes than printable ASCII and UTF-8 continuation are shown as
// '?'.
std::string printable(std::string text) {
  for (char& c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) c = '?';
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string head(const std::string& text) {
  return printable(text.size() <= kShownCharacters ? text : text.substr(0, kShownCharacters) + "...");
}

std::string tail(const std::string& text) {
  return printable(text.size() <= kShownCharacters ? text
                                                   : "..." + text.substr(text.size() - kShownCharacters));
}

/// The answer, or in `failure` why there is none.
json parse(const ProcessResult& result, double timeout_s, std::string& failure) {
  if (result.timed_out) {
    failure = fmt::format("was killed because it took longer than the time limit of {:g} s", timeout_s);
  } else if (result.signal != 0) {
    failure = fmt::format("was ended by signal {} ({})", result.signal, ::strsignal(result.signal));
  } else if (result.exit_code != 0) {
    failure = fmt::format("ended with exit code {}", result.exit_code);
  } else if (result.out_truncated) {
    failure = fmt::format("wrote more than {} MiB to standard output", kMaxOutputBytes >> 20);
  } else {
    json answer = json::parse(result.out, nullptr, false);
    if (answer.is_object()) return answer;
    failure = result.out.empty() ? "wrote nothing to standard output"
              : answer.is_discarded()
                  ? "wrote something that is not JSON to standard output (logs belong on "
                    "standard error; JSON has no NaN and no infinity)"
                  : fmt::format("answered with a JSON {}, not an object", answer.type_name());
  }
  return json();
}

}  // namespace

struct JsonProgram::Gate {
  explicit Gate(int count) : places(count) {}
  std::counting_semaphore<> places;
};

JsonProgram::JsonProgram(JsonProgramOptions options, std::string role, std::string expected)
    : options_(std::move(options)), role_(std::move(role)), expected_(std::move(expected)) {
  if (options_.command.empty() || options_.command[0].empty()) {
    throw UserError(
        fmt::format("the {}'s command is empty: give a program and its arguments as a list", role_));
  }
  const auto refuse = [&](const char* key, const std::string& got, const char* allowed) {
    throw UserError(fmt::format("the {}'s {}: got {}, allowed is {}", role_, key, got, allowed));
  };
  if (!(options_.timeout_s > 0)) refuse("timeout_s", fmt::format("{}", options_.timeout_s), "> 0");
  if (options_.retries < 0) refuse("retries", std::to_string(options_.retries), ">= 0");
  if (options_.parallel < 1) refuse("parallel", std::to_string(options_.parallel), ">= 1");
  gate_ = std::make_unique<Gate>(options_.parallel);
}

JsonProgram::~JsonProgram() = default;

json JsonProgram::ask(const json& question, const std::function<void(const json& answer)>& check) const {
  const std::string input = question.dump() + "\n";
  std::string failures;
  ProcessResult result;
  for (int attempt = 1; attempt <= options_.retries + 1; ++attempt) {
    gate_->places.acquire();
    try {
      result = run_process(options_.command, input, options_.timeout_s);
    } catch (...) {
      gate_->places.release();
      throw;
    }
    gate_->places.release();
    std::string failure;
    json answer = parse(result, options_.timeout_s, failure);
    if (failure.empty() && check) {
      try {
        check(answer);
      } catch (const UserError& error) {
        failure = std::string("gave an answer that is not valid: ") + error.what();
      }
    }
    if (failure.empty()) return answer;
    failures += fmt::format("\n  attempt {} of {}: it {}", attempt, options_.retries + 1, failure);
  }
  throw UserError(
      fmt::format("the {} program failed: {}{}\n  expected: {}\n  standard output (of the last attempt): {}\n"
                  "  standard error (its end): {}",
                  role_, command_to_string(options_.command), failures, expected_,
                  result.out.empty() ? "(nothing)" : head(result.out),
                  result.err.empty() ? "(nothing)" : tail(result.err)));
}

double finite_number(const json& answer, const std::string& key, double low, double high) {
  const auto found = answer.find(key);
  if (found == answer.end()) throw UserError(fmt::format("\"{}\" is missing", key));
  if (!found->is_number()) {
    throw UserError(fmt::format("\"{}\" must be a number, got {}", key, head(found->dump(-1, ' ', true))));
  }
  const double value = found->get<double>();
  if (!std::isfinite(value) || value < low || value > high) {
    throw UserError(fmt::format("\"{}\" is {:g}, allowed is {:g} to {:g}", key, value, low, high));
  }
  return value;
}

}  // namespace bitsmith::base
