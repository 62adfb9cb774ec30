#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/config/source.hpp"

namespace bitsmith::experiments {

/// Where each given key of a configuration stands, and what is wrong with which of them.
class Places {
 public:
  explicit Places(const ConfigSource& source) : source_(source) {}

  void found(const std::string& path, base::YamlMark mark) { marks_[path] = mark; }
  /// Whether the key is written in the configuration (rather than taken from its default).
  bool given(const std::string& path) const { return marks_.contains(path); }
  void problem(base::YamlMark mark, const std::string& path, const std::string& message);
  /// A problem of a key that may have been left out: it is shown at the key, else at its group, else at the
  /// file.
  void problem(const std::string& path, const std::string& message);
  /// Of the key itself or of anything inside it.
  bool has_problem(const std::string& path) const;

  /// Throws ConfigError when there is any problem.
  void throw_problems() const;

 private:
  struct Problem {
    base::YamlMark mark;
    std::string text;
  };
  const ConfigSource& source_;
  std::map<std::string, base::YamlMark> marks_;
  std::set<std::string> wrong_;
  std::vector<Problem> problems_;
};

}  // namespace bitsmith::experiments
