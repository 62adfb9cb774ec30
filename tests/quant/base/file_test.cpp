#include "quant/base/file.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"

namespace {
using namespace bitsmith::base;
using bitsmith::tests::message_has;
using bitsmith::tests::TemporaryFolder;
namespace fs = std::filesystem;

void write_plain(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

void write_zipped(const fs::path& path, const std::string& content) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
  gzclose(file);
}

std::size_t entries(const TemporaryFolder& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
}

pid_t id_of_a_process_that_has_ended() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}
}  // namespace

BOOST_AUTO_TEST_SUITE(files)

BOOST_AUTO_TEST_CASE(plain_and_gzipped_files_read_alike) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 200'000; ++i) content.push_back(static_cast<char>(i * 31 % 256));
  write_plain(folder / "plain", content);
  write_zipped(folder / "zipped", content);
  BOOST_TEST((read_file(folder / "plain") == content));
  BOOST_TEST((read_file(folder / "zipped") == content));
  write_plain(folder / "empty", "");
  BOOST_TEST(read_file(folder / "empty").empty());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_said_with_path_and_reason) {
  const TemporaryFolder folder;
  BOOST_CHECK_EXCEPTION(read_file(folder / "none"), UserError, message_has("none", "No such file"));
  BOOST_CHECK_EXCEPTION(read_file(folder.path()), UserError, message_has("is a directory"));
  write_zipped(folder / "cut", std::string(100'000, 'x') + "yz");
  fs::resize_file(folder / "cut", fs::file_size(folder / "cut") - 9);
  BOOST_CHECK_EXCEPTION(read_file(folder / "cut"), UserError, message_has("cut", "truncated gzip"));
  write_zipped(folder / "bomb", std::string(1'000'000, 'x'));
  BOOST_CHECK_EXCEPTION(read_file(folder / "bomb", 1000), UserError, message_has("larger than 1000 bytes"));
}

BOOST_AUTO_TEST_CASE(replacing_makes_folders_and_leaves_no_temporary) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a" / "b" / "x";
  replace_file(path, "one");
  replace_file(path, "two");
  BOOST_TEST(read_file(path) == "two");
  BOOST_TEST(std::distance(fs::directory_iterator(path.parent_path()), fs::directory_iterator()) == 1);
}

BOOST_AUTO_TEST_CASE(a_writer_that_throws_leaves_the_old_file) {
  const TemporaryFolder folder;
  replace_file(folder / "x", "old");
  BOOST_CHECK_THROW(replace_file(folder / "x",
                                 [](const fs::path& temporary) {
                                   write_plain(temporary, "half");
                                   throw UserError("no more");
                                 }),
                    UserError);
  BOOST_TEST(read_file(folder / "x") == "old");
  BOOST_TEST(entries(folder) == 1u);
}

BOOST_AUTO_TEST_CASE(paths_that_cannot_be_written_are_refused) {
  const TemporaryFolder folder;
  write_plain(folder / "file", "x");
  BOOST_CHECK_EXCEPTION(replace_file(folder / "file" / "below", "y"), UserError, message_has("file"));
  fs::create_directories(folder / "folder" / "inside");
  BOOST_CHECK_EXCEPTION(replace_file(folder / "folder", "y"), UserError,
                        message_has("folder", "cannot replace"));
  BOOST_CHECK_EXCEPTION(replace_file("/proc/none/x", "y"), UserError, message_has("/proc/none"));
}

BOOST_AUTO_TEST_CASE(a_file_is_whole_after_its_writer_was_killed) {
  const TemporaryFolder folder;
  const fs::path path = folder / "x";
  const std::string contents[] = {std::string(300'000, 'a'), std::string(200'000, 'b')};
  replace_file(path, contents[0]);
  for (int round = 0; round < 8; ++round) {
    const pid_t child = fork();
    if (child == 0)
      for (int i = 0;; ++i) replace_file(path, contents[i % 2]);
    usleep(static_cast<useconds_t>(2000 + 1700 * round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::string found = read_file(path);
    BOOST_TEST((found == contents[0] || found == contents[1]));
  }
  remove_stale_temporaries(path);
  BOOST_TEST(entries(folder) == 1u);
}

BOOST_AUTO_TEST_CASE(only_temporaries_of_dead_processes_are_swept) {
  const TemporaryFolder folder;
  const std::string dead = "x.tmp." + std::to_string(id_of_a_process_that_has_ended());
  const std::string alive = "x.tmp." + std::to_string(getpid());
  for (const std::string& name : {std::string("x"), dead, alive, "other" + dead})
    write_plain(folder / name, "");
  remove_stale_temporaries(folder / "x");
  BOOST_TEST(!fs::exists(folder / dead));
  for (const std::string& name : {std::string("x"), alive, "other" + dead})
    BOOST_TEST(fs::exists(folder / name));
  remove_stale_temporaries("/nowhere/at/all");
}

BOOST_AUTO_TEST_SUITE_END()
