#include "quant/base/yaml.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

using namespace bitsmith::base;

namespace {

YamlNode parse(const std::string& text) { return parse_yaml(text, "f.yaml").root; }

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

YamlNode scalar(const std::string& text) { return parse("k: " + text).entries.at(0).value; }

bool same(const YamlNode& a, const YamlNode& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size() ||
      a.entries.size() != b.entries.size())
    return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!same(a.items[i], b.items[i])) return false;
  for (std::size_t i = 0; i < a.entries.size(); ++i)
    if (a.entries[i].key != b.entries[i].key || !same(a.entries[i].value, b.entries[i].value)) return false;
  return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(yaml)

BOOST_AUTO_TEST_CASE(a_document_keeps_order_kinds_and_places) {
  const YamlNode root = parse("b: 1\na:\n  - x\n  - 'y'\nc: {d: ~}\n");
  BOOST_REQUIRE(root.is_map());
  BOOST_REQUIRE(root.entries.size() == 3u);
  BOOST_TEST(root.entries[0].key == "b");
  BOOST_TEST((root.entries[0].value.mark == YamlMark{1, 4}));
  BOOST_TEST((root.entries[1].key_mark == YamlMark{2, 1}));
  const YamlNode& list = root.entries[1].value;
  BOOST_REQUIRE(list.is_sequence());
  BOOST_TEST(!list.items[0].quoted);
  BOOST_TEST(list.items[1].quoted);
  BOOST_TEST((list.items[1].mark == YamlMark{4, 5}));
  BOOST_TEST(root.find("c")->find("d")->is_null());
  BOOST_TEST(root.find("nothing") == nullptr);
}

BOOST_AUTO_TEST_CASE(an_empty_text_is_null) {
  BOOST_TEST(parse("").is_null());
  BOOST_TEST(parse("# only a comment\n").is_null());
  BOOST_TEST(parse("\xEF\xBB\xBF").is_null());
  BOOST_TEST(parse("\xEF\xBB\xBF"
                   "a: 1\r\n")
                 .find("a")
                 ->text == "1");
}

BOOST_AUTO_TEST_CASE(mistakes_are_located) {
  BOOST_TEST(error_of("a: 1\nb: 2\na: 3\n") == "f.yaml:3:1: duplicate key 'a', first given in line 1");
  BOOST_TEST(error_of("a: 1\n---\nb: 2\n") ==
             "f.yaml:2:1: a second document begins here; only one is allowed in a file");
  BOOST_TEST(error_of("a: &x [1, *x]\n") == "f.yaml:1:11: the alias refers to a value that contains it");
  BOOST_TEST(error_of("a: !!int 3\n") ==
             "f.yaml:1:4: the tag 'tag:yaml.org,2002:int' is not supported; write the value without a tag");
  BOOST_TEST(error_of("a: &d {x: 1}\nb:\n  <<: *d\n") ==
             "f.yaml:3:3: merge keys '<<' are not supported; repeat the values");
  BOOST_TEST(error_of("{[1]: 2}\n") == "f.yaml:1:2: a key must be a plain word, got a list or map");
  BOOST_TEST(error_of("~: 2\n") == "f.yaml:1:1: a key must be a plain word, got nothing");
  BOOST_TEST(error_of("a: &k b\n*k : 1\n") == "f.yaml:2:1: a key must be a plain word, got an alias");
  BOOST_TEST(error_of("a: \xff\n") == "f.yaml:1:4: this is not UTF-8 text");
  BOOST_TEST(error_of("a: 1\nb: \x04\nc: 3\n") == "f.yaml:2:4: control character 4 is not allowed");
  BOOST_TEST(error_of("a: *nowhere\n").starts_with("f.yaml:1:4: "));
  BOOST_TEST(error_of("a: [1, 2\nb: 3\n").starts_with("f.yaml:"));
  BOOST_TEST(error_of("a:\n\tb: 1\n").starts_with("f.yaml:2:"));
}

BOOST_AUTO_TEST_CASE(all_duplicates_can_be_collected_and_the_first_value_stays) {
  std::vector<YamlProblem> duplicates;
  const YamlDocument document = parse_yaml("a: 1\na: {x: 1}\nb: {c: 1, c: 2}\n", "f.yaml", &duplicates);
  BOOST_REQUIRE(duplicates.size() == 2u);
  BOOST_TEST(duplicates[0].message == "duplicate key 'a', first given in line 1");
  BOOST_TEST((duplicates[1].mark == YamlMark{3, 11}));
  BOOST_TEST(document.root.find("a")->text == "1");
  BOOST_TEST(document.root.find("b")->find("c")->text == "1");
}

BOOST_AUTO_TEST_CASE(an_alias_is_a_copy) {
  const YamlNode root = parse("a: &x {v: [1, 2]}\nb: *x\n");
  BOOST_TEST(same(*root.find("a"), *root.find("b")));
}

BOOST_AUTO_TEST_CASE(aliases_that_explode_are_refused) {
  std::string text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k ? ", " : "") + last;
    text += "]\n";
  }
  BOOST_TEST(error_of(text).find("more than 100000 values") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(deep_nesting_and_large_texts_are_refused) {
  BOOST_TEST(error_of(std::string(65, '[') + std::string(65, ']')) ==
             "f.yaml:1:65: nested deeper than 64 levels");
  BOOST_TEST(error_of(std::string(64, '[') + std::string(64, ']')) == "no error");
  BOOST_TEST(error_of(std::string(100000, '[')).starts_with("f.yaml:"));
  std::string chain = "a0: &a0 [1]\n";  // every alias goes one level deeper than the one before
  for (int i = 1; i < 100; ++i)
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  BOOST_TEST(error_of(chain).find("nested deeper") != std::string::npos);
  BOOST_TEST(error_of(std::string((1u << 20) + 1, '#')) ==
             "f.yaml: larger than 1 MiB, too large for a YAML file");
}

BOOST_AUTO_TEST_CASE(only_unquoted_decimal_numbers_are_numbers) {
  BOOST_TEST(yaml_integer(scalar("10")).value() == 10);
  BOOST_TEST(yaml_integer(scalar("-3")).value() == -3);
  for (const char* text :
       {"010", "0x10", "0o17", "1_000", "1e3", "3.0", "'8'", "99999999999999999999", "+1", "1 2", "~"})
    BOOST_TEST(!yaml_integer(scalar(text)).has_value(), text);
  BOOST_TEST(yaml_real(scalar("0.25")).value() == 0.25);
  BOOST_TEST(yaml_real(scalar("-2")).value() == -2.0);
  BOOST_TEST(yaml_real(scalar("1e-4")).value() == 1e-4);
  BOOST_TEST(yaml_real(scalar("5E+2")).value() == 500.0);
  for (const char* text :
       {".inf", ".nan", "nan", "1e999", "010.5", "\"0.5\"", "1.", ".5", "1e", "1e+", "1e+-3", "0x1p3"})
    BOOST_TEST(!yaml_real(scalar(text)).has_value(), text);
  BOOST_TEST(yaml_boolean(scalar("true")).value());
  for (const char* text : {"yes", "on", "1", "'true'", "True"})
    BOOST_TEST(!yaml_boolean(scalar(text)).has_value(), text);
}

BOOST_AUTO_TEST_CASE(strings_that_look_like_something_else_are_quoted) {
  for (const char* text :
       {"yes", "NO",  "012",  "1.5",   "null",        "~",           "",      " x",   "a: b", "#c",
        "- d", "nan", "0.5x", "\"q\"", "back\\slash", "line\nbreak", "tab\t", "\x01", "ü",    "*a",
        "!t",  "a,b", "{",    "@"}) {
    const std::string written = yaml_text(yaml_string(text));
    BOOST_TEST(written[0] == '"', written);
    if (std::string(text) == "\x01") continue;
    BOOST_TEST(parse(written).text == text);
    BOOST_TEST(parse(written).quoted);
  }
  BOOST_TEST(yaml_text(yaml_string("cnn_small")) == "cnn_small\n");
  BOOST_TEST(yaml_text(yaml_string("results/a.h5")) == "results/a.h5\n");
}

BOOST_AUTO_TEST_CASE(doubles_are_written_in_their_shortest_form) {
  BOOST_TEST(shortest(0.1) == "0.1");
  BOOST_TEST(shortest(5e-4) == "5e-04");
  BOOST_TEST(shortest(std::nan("")) == "nan");
  BOOST_TEST(yaml_number(-std::numeric_limits<double>::infinity()).text == "-.inf");
  Rng rng(1);
  for (int i = 0; i < 1000; ++i) {
    const double value = std::ldexp(rng.uniform(-1, 1), static_cast<int>(rng.below(200)) - 100);
    BOOST_TEST(yaml_real(parse(yaml_text(yaml_number(value)))).value() == value);
  }
}

BOOST_AUTO_TEST_CASE(a_written_tree_reads_back_equal) {
  YamlNode root = yaml_map();
  yaml_add(root, "seed", yaml_number(1));
  yaml_add(root, "yes", yaml_string("no"));
  YamlNode& search = yaml_add(root, "search", yaml_map());
  yaml_add(search, "hidden", yaml_list({yaml_number(400), yaml_number(300)}));
  yaml_add(search, "empty", yaml_list({}));
  yaml_add(search, "nothing", yaml_null());
  yaml_add(search, "map", yaml_map());
  YamlNode layer = yaml_map();
  yaml_add(layer, "name", yaml_string("conv 1"));
  yaml_add(layer, "bits", yaml_number(4));
  YamlNode deep = yaml_map();
  yaml_add(deep, "inner", yaml_list({layer, layer}));
  yaml_add(root, "layers", yaml_list({layer, deep, yaml_list({yaml_number(1.5)})}));
  const std::string text = yaml_text(root);
  BOOST_TEST(same(parse(text), root), text);
  BOOST_TEST(text.find("  - {name: \"conv 1\", bits: 4}\n") != std::string::npos, text);
  BOOST_TEST(text.find("  - inner:\n      - {name: \"conv 1\", bits: 4}\n") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(mutilated_texts_give_an_error_or_a_tree_but_never_crash) {
  const std::string seed_text =
      "a: &x {b: [1, 'two', \"th\\x41ree\"], c: |\n  text\n  more\n}\nd: *x\n? key\n: - 1\n  - {e: ~}\n%T !t "
      "<<: >-\n";
  Rng rng(7);
  for (int i = 0; i < 3000; ++i) {
    std::string text = seed_text;
    const int changes = 1 + static_cast<int>(rng.below(6));
    for (int k = 0; k < changes; ++k) {
      const std::size_t at = rng.below(text.size());
      const std::uint64_t what = rng.below(3);
      if (what == 0) text[at] = seed_text[rng.below(seed_text.size())];
      if (what == 1) text.erase(at, 1 + rng.below(5));
      if (what == 2) text.insert(at, 1, "[]{}:-&*!|>'\"%@`,?#\n\t "[rng.below(23)]);
      if (text.empty()) text = "x";
    }
    try {
      parse(text);
    } catch (const UserError& error) {
      BOOST_TEST(std::string(error.what()).starts_with("f.yaml:"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  BOOST_CHECK_EXCEPTION(read_yaml("/nonexistent/x.yaml"), UserError, [](const UserError& error) {
    return std::string(error.what()).find("/nonexistent/x.yaml") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()
