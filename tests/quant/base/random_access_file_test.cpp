#include "quant/base/random_access_file.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "quant/base/error.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith::base;
using bitsmith::tests::message_has;
using bitsmith::tests::TemporaryFolder;

BOOST_AUTO_TEST_SUITE(random_access_files)

BOOST_AUTO_TEST_CASE(pieces_are_read_from_anywhere) {
  const TemporaryFolder folder;
  std::ofstream(folder / "f") << "0123456789";
  const RandomAccessFile file(folder / "f");
  BOOST_TEST(file.size() == 10u);
  std::string piece(4, ' ');
  file.read(6, std::as_writable_bytes(std::span(piece)));
  BOOST_TEST(piece == "6789");
  file.read(0, std::as_writable_bytes(std::span(piece)));
  BOOST_TEST(piece == "0123");
  file.read(10, {});
}

BOOST_AUTO_TEST_CASE(what_is_not_there_is_an_error_with_its_path) {
  const TemporaryFolder folder;
  std::ofstream(folder / "f") << "0123456789";
  const RandomAccessFile file(folder / "f");
  std::string piece(4, ' ');
  BOOST_CHECK_EXCEPTION(file.read(7, std::as_writable_bytes(std::span(piece))), UserError,
                        message_has("/f:", "ends at 10 bytes", "truncated"));
  std::filesystem::resize_file(folder / "f", 3);
  BOOST_CHECK_EXCEPTION(file.read(2, std::as_writable_bytes(std::span(piece))), UserError,
                        message_has("/f:", "ends at 3 bytes"));
  BOOST_CHECK_EXCEPTION(RandomAccessFile{folder / "none"}, UserError, message_has("none", "No such file"));
  BOOST_CHECK_EXCEPTION(RandomAccessFile{folder.path()}, UserError, message_has("not a regular file"));
}

BOOST_AUTO_TEST_SUITE_END()
