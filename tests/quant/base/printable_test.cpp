#include "quant/base/printable.hpp"

#include <boost/test/unit_test.hpp>

using bitsmith::base::printable;

BOOST_AUTO_TEST_SUITE(printable_text)

BOOST_AUTO_TEST_CASE(utf8_stays_and_all_else_becomes_escapes) {
  BOOST_TEST(printable("") == "");
  BOOST_TEST(printable("a b.png") == "a b.png");
  BOOST_TEST(printable("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb1") ==
             "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb1");
  BOOST_TEST(printable("a\nb\tc\x1b[31m\x7f") == "a\\x0ab\\x09c\\x1b[31m\\x7f");
  BOOST_TEST(printable("\\x0a") == "\\x5cx0a");
  BOOST_TEST(printable("\xff\xc3") == "\\xff\\xc3");
  BOOST_TEST(printable("\xc0\x80") == "\\xc0\\x80");                    // overlong
  BOOST_TEST(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // half of a surrogate pair
  BOOST_TEST(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  BOOST_TEST(printable("\xc2\x9b") == "\\xc2\\x9b");                    // a terminal's command
}

BOOST_AUTO_TEST_SUITE_END()
