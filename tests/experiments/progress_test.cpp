#include "experiments/progress.hpp"

#include <boost/test/unit_test.hpp>

#include <sstream>

using namespace bitsmith::experiments;

namespace {

struct Screen {
  std::ostringstream out;
  double now = 0.0;
  ProgressPrinter::Clock clock() {
    return [this] { return now; };
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(progress)

BOOST_AUTO_TEST_CASE(a_terminal_gets_one_line_that_is_rewritten) {
  Screen screen;
  ProgressPrinter printer(screen.out, ProgressStyle::line, screen.clock());
  printer.stage("train");
  printer.report("epoch", 0, 4, "");
  screen.now = 2;
  printer.report("epoch", 1, 4, "val 91.2 %");
  screen.now = 4;
  printer.report("epoch", 4, 4, "done");
  const std::string middle = "train: epoch 1 of 4 (25 %), 2.0 s each, 0:06 left, val 91.2 %";
  const std::string last = "train: epoch 4 of 4 (100 %), 1.0/s, done";
  const std::string blanks(middle.size() - last.size(), ' ');
  BOOST_TEST(screen.out.str() == "\rtrain: epoch 0 of 4 (0 %)\r" + middle + "\r" + last + blanks + "\n");
}

BOOST_AUTO_TEST_CASE(a_log_gets_a_line_every_ten_seconds_and_the_last) {
  Screen screen;
  ProgressPrinter printer(screen.out, ProgressStyle::plain, screen.clock());
  for (int i = 0; i <= 25; ++i) {
    screen.now = i;
    printer.report("step", i, 25, "");
  }
  BOOST_TEST(screen.out.str() ==
             "step 10 of 25 (40 %), 1.0/s, 0:15 left\nstep 20 of 25 (80 %), 1.0/s, 0:05 left\n"
             "step 25 of 25 (100 %), 1.0/s\n");
}

BOOST_AUTO_TEST_CASE(silence_is_silent) {
  Screen screen;
  ProgressPrinter printer(screen.out, ProgressStyle::silent, screen.clock());
  printer.stage("train");
  printer.callback()("epoch", 1, 1, "");
  printer.message("hello");
  BOOST_TEST(screen.out.str().empty());
}

BOOST_AUTO_TEST_CASE(a_warning_is_told_even_in_silence) {
  Screen screen;
  ProgressPrinter printer(screen.out, ProgressStyle::silent, screen.clock());
  printer.warning("mind the gap");
  BOOST_TEST(screen.out.str() == "bitsmith: warning: mind the gap\n");
}

BOOST_AUTO_TEST_CASE(a_message_does_not_run_into_the_progress_line) {
  Screen screen;
  {
    ProgressPrinter printer(screen.out, ProgressStyle::line, screen.clock());
    printer.report("epoch", 1, 4, "");
    printer.message("fact");
    screen.now = 1;
    printer.report("epoch", 2, 4, "");
  }
  BOOST_TEST(screen.out.str() == "\repoch 1 of 4 (25 %)\nfact\n\repoch 2 of 4 (50 %), 1.0/s, 0:02 left\n");
}

BOOST_AUTO_TEST_CASE(odd_totals_do_not_break_it) {
  Screen screen;
  ProgressPrinter printer(screen.out, ProgressStyle::plain, screen.clock());
  printer.report("image", 0, 0, "");
  printer.report("image", 5, 3, "");
  BOOST_TEST(screen.out.str() == "image 0 of 0 (100 %)\nimage 5 of 3 (100 %)\n");
}

BOOST_AUTO_TEST_SUITE_END()
