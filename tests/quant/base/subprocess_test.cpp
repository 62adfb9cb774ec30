#include "quant/base/subprocess.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "quant/base/error.hpp"
#include "quant/base/json_question.hpp"
#include "quant/base/parallel.hpp"

using namespace bitsmith::base;

namespace {

constexpr double kPatienceSeconds = 60;  // far above what any of these programs takes, even on a busy machine

ProcessResult shell(const std::string& script, std::string_view input = {},
                    double timeout_s = kPatienceSeconds) {
  return run_process({"sh", "-c", script}, input, timeout_s);
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const UserError& error) {
    return error.what();
  }
  return "(no error)";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

JsonProgram program(const std::string& script, int retries = 0, double timeout_s = kPatienceSeconds) {
  return JsonProgram({{"sh", "-c", script}, timeout_s, retries, 2}, "evaluator", "{\"accuracy\": 0..1}");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(subprocess)

BOOST_AUTO_TEST_CASE(output_error_and_exit_code_come_back) {
  const ProcessResult result = shell("cat; echo wrong >&2; exit 7", "hello");
  BOOST_TEST(result.out == "hello");
  BOOST_TEST(result.err == "wrong\n");
  BOOST_TEST(result.exit_code == 7);
  BOOST_TEST(result.signal == 0);
  BOOST_TEST(!result.timed_out);
}

BOOST_AUTO_TEST_CASE(megabytes_through_both_pipes_at_once_do_not_deadlock) {
  const std::string input(5'000'000, 'x');
  const ProcessResult result = shell("tee /dev/stderr", input);
  BOOST_TEST((result.out == input));
  BOOST_TEST(!result.out_truncated);
  BOOST_TEST(result.err.size() == kMaxErrorBytes);
}

BOOST_AUTO_TEST_CASE(a_program_that_never_reads_its_input_is_no_error) {
  const ProcessResult result = shell("exec 0<&-; sleep 0.05; echo done", std::string(1'000'000, 'x'));
  BOOST_TEST(result.out == "done\n");
  BOOST_TEST(result.exit_code == 0);
  BOOST_TEST(shell("exit 0", std::string(1'000'000, 'x')).exit_code == 0);
}

BOOST_AUTO_TEST_CASE(endless_output_is_cut_and_the_program_ended_by_the_time_limit) {
  const ProcessResult result = run_process({"yes"}, {}, 1.0);
  BOOST_TEST(result.timed_out);
  BOOST_TEST(result.out.size() <= kMaxOutputBytes);
}

BOOST_AUTO_TEST_CASE(a_time_out_kills_the_whole_group) {
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult result = shell("sleep 1000 & echo $!; wait", {}, 0.3);
  BOOST_TEST(result.timed_out);
  BOOST_TEST(result.exit_code == -1);
  BOOST_TEST((std::chrono::steady_clock::now() - start < std::chrono::seconds(100)));
  const int grandchild = std::stoi(result.out);
  const std::string stat = "/proc/" + std::to_string(grandchild);
  // Killed at once; gone as soon as whoever adopted it has reaped it, so a zombie counts as dead.
  bool alive = true;
  for (int look = 0; alive && look < 200; ++look) {
    alive = ::kill(grandchild, 0) == 0 &&
            shell("grep -q 'State:.[ZX]' /proc/" + std::to_string(grandchild) + "/status").exit_code != 0 &&
            std::filesystem::exists(stat);
    if (alive) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  BOOST_TEST(!alive);
}

BOOST_AUTO_TEST_CASE(a_program_left_in_the_background_is_not_waited_for) {
  const ProcessResult result = shell("sleep 1000 & echo ready");
  BOOST_TEST(!result.timed_out);
  BOOST_TEST(result.out == "ready\n");
}

BOOST_AUTO_TEST_CASE(a_signal_is_told) { BOOST_TEST(shell("kill -SEGV $$").signal == SIGSEGV); }

BOOST_AUTO_TEST_CASE(programs_that_cannot_be_started_are_named) {
  const std::string missing = message_of([] { run_process({"no-such-program-here", "x y"}, {}, 1); });
  BOOST_TEST(contains(missing, "cannot start the program 'no-such-program-here'"), missing);
  BOOST_TEST((contains(missing, "PATH") && contains(missing, "'x y'")), missing);
  BOOST_TEST(contains(message_of([] { run_process({"/etc/passwd"}, {}, 1); }), "ermission denied"));
  BOOST_CHECK_THROW(run_process({}, {}, 1), UserError);
  BOOST_CHECK_THROW(run_process({""}, {}, 1), UserError);
  BOOST_CHECK_THROW(run_process({"cat", std::string("a\0b", 3)}, {}, 1), UserError);
  BOOST_CHECK_THROW(run_process({"cat"}, {}, 0), UserError);
  BOOST_CHECK_THROW(run_process({"cat"}, {}, std::numeric_limits<double>::quiet_NaN()), UserError);
}

BOOST_AUTO_TEST_CASE(an_infinite_time_limit_is_allowed) {
  BOOST_TEST(shell("exit 3", {}, std::numeric_limits<double>::infinity()).exit_code == 3);
}

BOOST_AUTO_TEST_CASE(open_files_are_not_inherited) {
  const int fd = ::open("/dev/null", O_RDONLY);  // without close-on-exec
  BOOST_TEST(shell("[ -e /proc/self/fd/" + std::to_string(fd) + " ]").exit_code == 1);
  ::close(fd);
}

BOOST_AUTO_TEST_CASE(many_threads_may_run_programs_at_once) {
  std::vector<std::string> answers(24);
  parallel_for(24, [&](int i) {
    answers[static_cast<std::size_t>(i)] = shell("cat", std::string(100'000, static_cast<char>('a' + i))).out;
  });
  for (int i = 0; i < 24; ++i) {
    BOOST_TEST((answers[static_cast<std::size_t>(i)] == std::string(100'000, static_cast<char>('a' + i))));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(json_question)

BOOST_AUTO_TEST_CASE(a_question_gets_its_answer) {
  const nlohmann::json answer = program("cat").ask({{"bits", {1, 2}}});
  BOOST_TEST(answer.at("bits").at(1).get<int>() == 2);
}

BOOST_AUTO_TEST_CASE(each_way_to_fail_has_its_words) {
  const auto failure = [](const std::string& script, double timeout_s = kPatienceSeconds) {
    return message_of([&] { program(script, 0, timeout_s).ask({}); });
  };
  BOOST_TEST(contains(failure("echo '{}'; echo out of memory >&2; exit 3"), "exit code 3"));
  BOOST_TEST(contains(failure("echo out of memory >&2; exit 3"), "standard error (its end): out of memory"));
  BOOST_TEST(contains(failure("exit 3"), "expected: {\"accuracy\": 0..1}"));
  BOOST_TEST(contains(failure("exit 3"), "the evaluator program failed: sh -c 'exit 3'"));
  BOOST_TEST(contains(failure("true"), "wrote nothing"));
  BOOST_TEST(contains(failure("echo '{\"accuracy\": NaN}'"), "not JSON"));
  BOOST_TEST(contains(failure("echo loading; echo '{}'"), "not JSON"));
  BOOST_TEST(contains(failure("echo '[1]'"), "JSON array, not an object"));
  BOOST_TEST(contains(failure("kill -9 $$"), "signal 9"));
  BOOST_TEST(contains(failure("sleep 1000", 0.2), "time limit of 0.2 s"));
  BOOST_TEST(contains(failure("printf '{\"a\":1e999}'"), "not JSON"));
  BOOST_TEST(contains(failure("printf '\\377\\376'"), "not JSON"));
}

BOOST_AUTO_TEST_CASE(a_failure_is_tried_again) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("bitsmith_retry_" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string script =
      "cd " + folder.string() + "; if [ -e been ]; then echo '{\"x\": 1}'; else touch been; exit 1; fi";
  BOOST_CHECK_THROW(program(script, 0).ask({}), UserError);
  std::filesystem::remove(folder / "been");
  BOOST_TEST(program(script, 1).ask({}).at("x").get<int>() == 1);
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(a_refused_answer_says_why) {
  const auto refused = [](const std::string& answer) {
    return message_of([&] {
      program("echo '" + answer + "'").ask({}, [](const nlohmann::json& a) {
        finite_number(a, "accuracy", 0, 1);
      });
    });
  };
  BOOST_TEST(contains(refused("{}"), "\"accuracy\" is missing"));
  BOOST_TEST(contains(refused("{\"accuracy\": null}"), "must be a number, got null"));
  BOOST_TEST(contains(refused("{\"accuracy\": 91.5}"), "is 91.5, allowed is 0 to 1"));
  BOOST_TEST(refused("{\"accuracy\": 1}") == "(no error)");
}

BOOST_AUTO_TEST_CASE(limits_out_of_range_are_refused) {
  BOOST_CHECK_THROW(JsonProgram({{}, 1, 1, 1}, "r", "e"), UserError);
  BOOST_CHECK_THROW(JsonProgram({{"cat"}, 0, 1, 1}, "r", "e"), UserError);
  BOOST_CHECK_THROW(JsonProgram({{"cat"}, 1, -1, 1}, "r", "e"), UserError);
  BOOST_CHECK_THROW(JsonProgram({{"cat"}, 1, 1, 0}, "r", "e"), UserError);
}

BOOST_AUTO_TEST_SUITE_END()
