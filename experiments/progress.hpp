#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <ostream>
#include <string>

#include "quant/base/progress.hpp"

namespace bitsmith::experiments {

enum class ProgressStyle {
  line,   ///< one line that is rewritten, for a terminal
  plain,  ///< a line every ten seconds and at the end of each piece of work, for logs
  silent,
};

/// `line` where standard error is a terminal, else `plain`; `silent` on demand.
ProgressStyle progress_style(bool quiet);

/// Shows how far work has come: `(stage? report*)*`. Thread-safe. The line is finished by the next stage(),
/// by message(), and by the destructor.
class ProgressPrinter {
 public:
  using Clock = std::function<double()>;  ///< seconds since any fixed moment
  ProgressPrinter(std::ostream& out, ProgressStyle style, Clock clock = steady_seconds);
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  /// Names the work whose reports follow, e.g. "train".
  void stage(const std::string& name);
  void report(std::string_view unit, double done, double total, std::string_view note);
  /// A line of its own.
  void message(const std::string& text);
  /// The same, also in silence, marked as what this program says.
  void warning(const std::string& text);
  /// What libraries are given; the printer must outlive it.
  base::Progress callback();

  static double steady_seconds();

 private:
  void begin_work(const std::string& unit, double done);
  std::string describe(double done, double total, std::string_view note) const;
  void show(const std::string& text, bool last);
  void finish_line();

  std::ostream& out_;
  ProgressStyle style_;
  Clock clock_;
  std::mutex mutex_;
  std::string stage_, unit_;
  double started_ = 0.0, first_done_ = 0.0, last_done_ = 0.0, shown_ = 0.0, now_ = 0.0;
  bool working_ = false;  ///< between the first report of a piece of work and its last
  bool any_shown_ = false;
  std::size_t width_ = 0;  ///< of the unfinished line
};

}  // namespace bitsmith::experiments
