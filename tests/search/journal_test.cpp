#include "search/journal.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "quant/base/random.hpp"
#include "search/journal_line.hpp"
#include "tests/search/toy.hpp"

using namespace bitsmith;
using namespace bitsmith::search;
using toy::contains;

namespace {

/// A folder that goes away with the test.
struct Folder {
  std::filesystem::path path;
  Folder()
      : path(std::filesystem::temp_directory_path() / ("bitsmith_journal_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

std::vector<EpisodeRecord> some_episodes(int count) {
  base::Rng rng(1);
  std::vector<EpisodeRecord> records;
  for (int i = 0; i < count; ++i) {
    EpisodeRecord record;
    record.episode = i;
    record.proposed.layers = {{8, 8}, {static_cast<int>(2 + rng.below(7)), 32}, {4, 1}};
    record.policy.layers = {{8, 8}, {2, 32}, {4, 1}};
    record.evaluation.accuracy = rng.uniform();
    record.evaluation.cross_entropy = i % 2 ? std::numeric_limits<double>::quiet_NaN() : 1.0 / 3.0;
    record.reward = rng.normal() * 1e-9;
    record.costs = {0.1 + 0.2, 1e-300, 12345678.9 / (i + 1)};
    record.cached = i % 3 == 0;
    records.push_back(record);
  }
  return records;
}

bool same_number(double a, double b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

bool same(const EpisodeRecord& a, const EpisodeRecord& b) {
  return a.episode == b.episode && a.proposed == b.proposed && a.policy == b.policy && a.reward == b.reward &&
         a.evaluation.accuracy == b.evaluation.accuracy &&
         same_number(a.evaluation.cross_entropy, b.evaluation.cross_entropy) && a.costs == b.costs &&
         a.cached == b.cached;
}

bool is_beginning(std::span<const EpisodeRecord> part, const std::vector<EpisodeRecord>& whole) {
  if (part.size() > whole.size()) return false;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (!same(part[i], whole[i])) return false;
  }
  return true;
}

std::string text_of(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string opening(const std::filesystem::path& path, const std::string& identity = "run 1") {
  return toy::message_of([&] { Journal(path, identity); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(journal)

BOOST_AUTO_TEST_CASE(what_was_appended_is_read_back_exactly) {
  const Folder folder;
  const auto path = folder.path / "new" / "folder" / "search.journal";
  const auto episodes = some_episodes(7);
  {
    Journal journal(path, "run 1");
    BOOST_TEST(journal.recorded().empty());
    journal.append(std::span(episodes).first(3));
    journal.append(std::span(episodes).subspan(3, 1));
  }
  {
    Journal journal(path, "run 1");
    BOOST_TEST(journal.recorded().size() == 4u);
    BOOST_TEST(is_beginning(journal.recorded(), episodes));
    journal.append(std::span(episodes).subspan(4));
  }
  Journal journal(path, "run 1");
  BOOST_TEST(journal.recorded().size() == 7u);
  BOOST_TEST(is_beginning(journal.recorded(), episodes));
}

BOOST_AUTO_TEST_CASE(cut_at_every_byte_it_opens_with_the_whole_lines_before_and_goes_on) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  const auto episodes = some_episodes(4);
  Journal(path, "run 1").append(episodes);
  const std::string whole = text_of(path);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write(path, whole.substr(0, size));
    const auto lines = static_cast<std::size_t>(std::ranges::count(whole.substr(0, size), '\n'));
    const std::size_t expected = lines == 0 ? 0 : lines - 1;
    {
      Journal journal(path, "run 1");
      BOOST_REQUIRE(journal.recorded().size() == expected);
      BOOST_REQUIRE(is_beginning(journal.recorded(), episodes));
      journal.append(std::span(episodes).subspan(expected));
    }
    BOOST_REQUIRE(text_of(path) == whole);
  }
}

BOOST_AUTO_TEST_CASE(a_flipped_byte_anywhere_is_dropped_with_the_last_line_or_refused) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  const auto episodes = some_episodes(3);
  Journal(path, "run 1").append(episodes);
  const std::string whole = text_of(path);
  const std::size_t last_line = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char flip : {char{1}, char{0x20}}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      write(path, damaged);
      try {
        const Journal journal(path, "run 1");
        BOOST_REQUIRE(i >= last_line - 1);
        BOOST_REQUIRE(is_beginning(journal.recorded(), episodes));
        BOOST_REQUIRE(journal.recorded().size() <= 2);
      } catch (const base::UserError&) {
        BOOST_REQUIRE(i < last_line);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(damage_in_the_middle_names_the_line_and_the_way_out) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  Journal(path, "run 1").append(some_episodes(5));
  std::string text = text_of(path);
  std::size_t at = 0;
  for (int line = 0; line < 3; ++line) at = text.find('\n', at) + 1;
  text[at + 60] ^= 1;
  write(path, text);
  const std::string message = opening(path);
  BOOST_TEST(contains(message, path.string() + ": line 4 is damaged"), message);
  BOOST_TEST(contains(message, "resume from episode 2"), message);
  BOOST_TEST(text_of(path) == text);  // left as it was
}

BOOST_AUTO_TEST_CASE(a_journal_of_another_run_is_refused_and_left_alone) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  Journal(path, "run 1").append(some_episodes(2));
  const std::string text = text_of(path);
  BOOST_TEST(contains(opening(path, "run 2"), "belongs to another run"));
  BOOST_TEST(contains(opening(path, "run 10"), "belongs to another run"));
  BOOST_TEST(text_of(path) == text);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_journal_is_refused_and_left_alone) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  for (const std::string& text : {std::string("hello"), std::string("\n"), std::string("{\"checksum\":\"zzz"),
                                  std::string(100'000, '{'), std::string(3, '\0')}) {
    write(path, text);
    BOOST_TEST(contains(opening(path), "not a search journal"));
    BOOST_TEST(text_of(path) == text);
  }
  BOOST_TEST(contains(opening(folder.path), "cannot open the journal"));
  BOOST_TEST(contains(opening(path / "below"), "cannot open the journal"));
}

BOOST_AUTO_TEST_CASE(lines_with_a_true_checksum_but_no_episode_are_refused) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  const auto episodes = some_episodes(2);
  write(path, header_line("run 1") + header_line("run 1") + record_line(episodes[1]));
  BOOST_TEST(contains(opening(path), "line 2 is not an episode"));
  write(path, header_line("run 1") + record_line(episodes[1]));
  BOOST_TEST(contains(opening(path), "line 2 holds episode 1, expected 0"));
}

BOOST_AUTO_TEST_CASE(two_processes_cannot_write_one_journal) {
  const Folder folder;
  const Journal first(folder.path / "search.journal", "run 1");
  BOOST_TEST(contains(opening(folder.path / "search.journal"), "in use by another process"));
}

BOOST_AUTO_TEST_CASE(what_is_no_regular_file_is_refused_unread) {
  BOOST_TEST(contains(opening("/dev/full"), "/dev/full: the journal must be a file"));
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told_and_what_was_stored_before_is_kept) {
  const Folder folder;
  const auto path = folder.path / "search.journal";
  const auto episodes = some_episodes(40);
  {
    Journal journal(path, "run 1");
    journal.append(std::span(episodes).first(2));
    // The nearest thing to a full disk that needs no privileges: a limit on the size of files.
    rlimit outer{};
    getrlimit(RLIMIT_FSIZE, &outer);
    const rlimit small{1000, outer.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string message = toy::message_of([&] { journal.append(std::span(episodes).subspan(2)); });
    setrlimit(RLIMIT_FSIZE, &outer);
    std::signal(SIGXFSZ, handler);
    BOOST_TEST(contains(message, path.string() + ": cannot write the journal: File too large"), message);
  }
  const Journal journal(path, "run 1");
  BOOST_TEST(journal.recorded().size() >= 2u);
  BOOST_TEST(is_beginning(journal.recorded(), episodes));
}

BOOST_AUTO_TEST_CASE(episodes_out_of_order_are_a_programmer_error) {
  const Folder folder;
  Journal journal(folder.path / "search.journal", "run 1");
  const auto episodes = some_episodes(3);
  BOOST_CHECK_THROW(journal.append(std::span(episodes).subspan(1)), base::InternalError);
}

BOOST_AUTO_TEST_SUITE_END()
