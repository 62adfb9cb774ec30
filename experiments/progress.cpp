#include "experiments/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace bitsmith::experiments {

namespace {

constexpr double line_interval_s = 0.1;
constexpr double plain_interval_s = 10.0;

std::string duration_text(double seconds) {
  const long whole = std::lround(std::max(0.0, seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// 3 of 3, 2.5 of 3: counts of whole things are shown as such.
std::string count_text(double count) {
  return count == std::floor(count) ? fmt::format("{:.0f}", count) : fmt::format("{:.1f}", count);
}

}  // namespace

ProgressStyle progress_style(bool quiet) {
  if (quiet) return ProgressStyle::silent;
  return isatty(STDERR_FILENO) == 1 ? ProgressStyle::line : ProgressStyle::plain;
}

double ProgressPrinter::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ProgressPrinter::ProgressPrinter(std::ostream& out, ProgressStyle style, Clock clock)
    : out_(out), style_(style), clock_(std::move(clock)) {}

ProgressPrinter::~ProgressPrinter() { finish_line(); }

void ProgressPrinter::stage(const std::string& name) {
  const std::lock_guard lock(mutex_);
  finish_line();
  stage_ = name;
  working_ = false;
}

void ProgressPrinter::message(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (style_ == ProgressStyle::silent) return;
  finish_line();
  out_ << text << "\n" << std::flush;
}

void ProgressPrinter::warning(const std::string& text) {
  const std::lock_guard lock(mutex_);
  finish_line();
  out_ << "bitsmith: warning: " << text << "\n" << std::flush;
}

base::Progress ProgressPrinter::callback() {
  return [this](std::string_view unit, double done, double total, std::string_view note) {
    report(unit, done, total, note);
  };
}

void ProgressPrinter::begin_work(const std::string& unit, double done) {
  finish_line();
  working_ = true;
  any_shown_ = false;
  unit_ = unit;
  started_ = shown_ = now_;
  // A resumed run starts in the middle; a first report after one unit of work started one unit earlier, but
  // when is unknown: rates count from the first report on.
  first_done_ = done;
}

std::string ProgressPrinter::describe(double done, double total, std::string_view note) const {
  const double percent = total > 0 ? 100.0 * std::min(done / total, 1.0) : 100.0;
  std::string text = fmt::format("{}{} {} of {} ({:.0f} %)", stage_.empty() ? "" : stage_ + ": ", unit_,
                                 count_text(done), count_text(total), percent);
  const double elapsed = now_ - started_;
  const double rate = elapsed > 0 ? (done - first_done_) / elapsed : 0.0;
  if (rate > 0) {
    text += rate >= 1 ? fmt::format(", {:.1f}/s", rate) : fmt::format(", {:.1f} s each", 1 / rate);
    if (done < total) text += ", " + duration_text((total - done) / rate) + " left";
  }
  if (!note.empty()) text += fmt::format(", {}", note);
  return text;
}

void ProgressPrinter::report(std::string_view unit, double done, double total, std::string_view note) {
  const std::lock_guard lock(mutex_);
  if (style_ == ProgressStyle::silent) return;
  now_ = clock_();
  const bool new_work = !working_ || unit != unit_ || done < last_done_;
  if (new_work) begin_work(std::string(unit), done);
  last_done_ = done;
  const bool last = done >= total;
  const bool due = now_ - shown_ >= (style_ == ProgressStyle::line ? line_interval_s : plain_interval_s);
  const bool first_of_line = !any_shown_ && style_ == ProgressStyle::line;
  if (!last && !due && !first_of_line) return;
  show(describe(done, total, note), last);
  shown_ = now_;
  any_shown_ = true;
  if (last) working_ = false;
}

void ProgressPrinter::show(const std::string& text, bool last) {
  if (style_ == ProgressStyle::plain) {
    out_ << text << "\n" << std::flush;
    return;
  }
  const std::size_t blanks = width_ > text.size() ? width_ - text.size() : 0;
  out_ << "\r" << text << std::string(blanks, ' ') << std::flush;
  width_ = text.size();
  if (last) finish_line();
}

void ProgressPrinter::finish_line() {
  if (width_ == 0) return;
  out_ << "\n" << std::flush;
  width_ = 0;
}

}  // namespace bitsmith::experiments
