#include "quant/base/npy_header.hpp"

#include <fmt/format.h>

#include <charconv>

#include "quant/base/error.hpp"

namespace bitsmith::base {
namespace {

constexpr std::size_t kMaxRank = 32;  // NumPy's own

class Parser {
 public:
  Parser(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  NpyHeader dictionary() {
    NpyHeader header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        if (peek() == '[') fail("holds records; only plain arrays of numbers are supported");
        header.descr = quoted();
        descr = true;
      } else if (key == "fortran_order" && !order) {
        header.fortran_order = boolean();
        order = true;
      } else if (key == "shape" && !shape) {
        header.shape = tuple();
        shape = true;
      } else {
        fail(fmt::format("has an unknown or repeated key '{}' in its header", key));
      }
      if (!accept(',') && peek() != '}') fail_here();
    }
    skip_blanks();
    if (at_ != text_.size()) fail_here();
    if (!descr || !order || !shape) fail("lacks one of 'descr', 'fortran_order', 'shape' in its header");
    return header;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw UserError(fmt::format("{}: {}", source_, what));
  }
  [[noreturn]] void fail_here() const {
    fail(fmt::format("its header cannot be understood at character {}", at_));
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char wanted) {
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) fail_here();
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail_here();
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail_here();
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    peek();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}})
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    fail_here();
  }
  std::vector<std::uint64_t> tuple() {
    std::vector<std::uint64_t> values;
    expect('(');
    while (!accept(')')) {
      peek();
      std::uint64_t value = 0;
      const char* const begin = text_.data() + at_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
      if (error != std::errc() || values.size() == kMaxRank) fail_here();
      at_ += static_cast<std::size_t>(end - begin);
      accept('L');  // Python 2's long integers
      values.push_back(value);
      if (!accept(',') && peek() != ')') fail_here();
    }
    return values;
  }

  std::string_view text_;
  const std::string& source_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text, const std::string& source) {
  return Parser(text, source).dictionary();
}

}  // namespace bitsmith::base
