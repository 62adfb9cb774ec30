#include "experiments/config/places.hpp"

#include <algorithm>
#include <tuple>

namespace bitsmith::experiments {

namespace {

/// Problems of the text in its order, those of the command line after them.
std::tuple<bool, int, int> order(base::YamlMark mark) {
  return {mark.line < 0, mark.line < 0 ? -mark.line : mark.line, mark.column};
}

}  // namespace

void Places::problem(base::YamlMark mark, const std::string& path, const std::string& message) {
  wrong_.insert(path);
  problems_.push_back({mark, (path.empty() ? "" : path + ": ") + message});
}

void Places::problem(const std::string& path, const std::string& message) {
  std::string key = path;
  while (!marks_.contains(key)) {
    const std::size_t dot = key.rfind('.');
    if (dot == std::string::npos) break;
    key.resize(dot);
  }
  const auto mark = marks_.find(key);
  problem(mark == marks_.end() ? base::YamlMark{} : mark->second, path, message);
}

bool Places::has_problem(const std::string& path) const {
  if (wrong_.contains(path)) return true;
  const auto is_inside = [&](const std::string& wrong) {
    return wrong.starts_with(path + ".") || wrong.starts_with(path + "[");
  };
  return std::any_of(wrong_.begin(), wrong_.end(), is_inside);
}

void Places::throw_problems() const {
  std::vector<Problem> sorted = problems_;
  for (const base::YamlProblem& problem : source_.problems())
    sorted.push_back({problem.mark, problem.message});
  if (sorted.empty()) return;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem& a, const Problem& b) { return order(a.mark) < order(b.mark); });
  std::vector<std::string> lines;
  for (const Problem& problem : sorted) lines.push_back(source_.at(problem.mark) + ": " + problem.text);
  throw ConfigError(std::move(lines));
}

}  // namespace bitsmith::experiments
