#include "hwmodels/latency_table_file.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "quant/base/file.hpp"
#include "quant/base/hdf5.hpp"
#include "tests/hwmodels/tables.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using hwmodels_tests::frozen_table;
using tests::message_has;
using tests::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

/// A copy of a good file, with one dataset or attribute replaced by what `change` writes instead.
void copy_with(const fs::path& from, const fs::path& to, const std::string& left_out,
               const std::function<void(base::hdf5::File&)>& change) {
  const auto source = base::hdf5::File::open(from);
  base::hdf5::write_file(to, [&](base::hdf5::File& target) {
    const auto copy_attributes = [&](const std::string& object) {
      for (const std::string& name : source.attributes(object)) {
        if (object == "/" && name == left_out) continue;
        if (name.ends_with("_bytes") || name == "version")
          target.set_attribute(object, name, source.int_attribute(object, name));
        else
          target.set_attribute(object, name, source.string_attribute(object, name));
      }
    };
    copy_attributes("/");
    for (const std::string& group : source.children()) {
      if (group == left_out) continue;
      target.make_group(group);
      copy_attributes(group);
      for (const std::string& name : source.children(group)) {
        const std::string dataset = group + "/" + name;
        if (dataset == left_out) continue;
        switch (source.type(dataset)) {
          case base::hdf5::ElementType::text:
            target.write_strings(dataset, source.read_strings(dataset));
            break;
          case base::hdf5::ElementType::float64:
            target.write(dataset, source.read<double>(dataset).values);
            break;
          default:
            target.write(dataset, source.read<std::int64_t>(dataset).values);
            break;
        }
      }
    }
    if (change) change(target);
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(latency_table_file)

BOOST_AUTO_TEST_CASE(a_table_loads_back_exactly) {
  const TemporaryFolder folder;
  const auto table = frozen_table();
  hwmodels::save_latency_table(table, folder / "table.h5");
  const auto loaded = hwmodels::load_latency_table(folder / "table.h5");
  BOOST_TEST((loaded.provenance == table.provenance));
  BOOST_TEST((loaded.entries() == table.entries()));
  BOOST_TEST(loaded.fingerprint() == table.fingerprint());
  BOOST_REQUIRE(loaded.canaries.size() == table.canaries.size());
  BOOST_TEST(loaded.canaries[1].chain_ns == table.canaries[1].chain_ns);
  BOOST_TEST(loaded.canaries[1].stream_ns == table.canaries[1].stream_ns);
}

BOOST_AUTO_TEST_CASE(an_empty_table_loads_back) {
  const TemporaryFolder folder;
  hwmodels::save_latency_table({}, folder / "empty.h5");
  BOOST_TEST(hwmodels::load_latency_table(folder / "empty.h5").entries().empty());
}

BOOST_AUTO_TEST_CASE(every_dataset_has_a_unit_and_a_description) {
  const TemporaryFolder folder;
  hwmodels::save_latency_table(frozen_table(), folder / "table.h5");
  const auto file = base::hdf5::File::open(folder / "table.h5");
  for (const std::string group : {"entries", "canaries"})
    for (const std::string& name : file.children(group))
      for (const char* attribute : {"unit", "description"})
        BOOST_TEST(file.has_attribute(group + "/" + name, attribute),
                   group << "/" << name << " has no " << attribute);
}

BOOST_AUTO_TEST_CASE(files_that_are_no_tables_are_refused_by_name) {
  const TemporaryFolder folder;
  BOOST_CHECK_EXCEPTION(hwmodels::load_latency_table(folder / "absent.h5"), base::UserError,
                        message_has({"absent.h5"}));
  base::replace_file(folder / "text.h5", "latency: 5\n");
  BOOST_CHECK_EXCEPTION(hwmodels::load_latency_table(folder / "text.h5"), base::UserError,
                        message_has({"text.h5"}));
  base::replace_file(folder / "nothing.h5", "");
  BOOST_CHECK_THROW(hwmodels::load_latency_table(folder / "nothing.h5"), base::UserError);
  base::hdf5::write_file(folder / "other.h5",
                         [](base::hdf5::File& file) { file.write_text("hello", "world"); });
  BOOST_CHECK_EXCEPTION(hwmodels::load_latency_table(folder / "other.h5"), base::UserError,
                        message_has({"other.h5", "not a 'bitsmith latency table'"}));
}

BOOST_AUTO_TEST_CASE(a_file_cut_anywhere_is_refused) {
  const TemporaryFolder folder;
  hwmodels::save_latency_table(frozen_table(), folder / "table.h5");
  const std::string whole = base::read_file(folder / "table.h5");
  for (int part = 1; part < 16; ++part) {
    base::replace_file(folder / "cut.h5",
                       std::string_view(whole).substr(0, whole.size() * static_cast<unsigned>(part) / 16));
    BOOST_CHECK_THROW(hwmodels::load_latency_table(folder / "cut.h5"), base::UserError);
  }
}

BOOST_AUTO_TEST_CASE(another_layout_version_is_refused_with_both_numbers) {
  const TemporaryFolder folder;
  hwmodels::save_latency_table(frozen_table(), folder / "table.h5");
  copy_with(folder / "table.h5", folder / "new.h5", "version",
            [](base::hdf5::File& file) { file.set_attribute("/", "version", 3); });
  BOOST_CHECK_EXCEPTION(hwmodels::load_latency_table(folder / "new.h5"), base::UserError,
                        message_has({"layout version 3", "reads 2"}));
}

BOOST_AUTO_TEST_CASE(contents_that_contradict_each_other_are_refused) {
  const TemporaryFolder folder;
  const fs::path good = folder / "table.h5", bad = folder / "bad.h5";
  hwmodels::save_latency_table(frozen_table(), good);
  copy_with(good, bad, "", {});
  BOOST_TEST((hwmodels::load_latency_table(bad).entries() == frozen_table().entries()));

  using base::hdf5::File;
  const auto refused = [&](const std::string& left_out, const std::function<void(File&)>& change,
                           const std::string& message) {
    copy_with(good, bad, left_out, change);
    BOOST_CHECK_EXCEPTION(hwmodels::load_latency_table(bad), base::UserError,
                          message_has({"bad.h5", message}));
  };
  refused("entries/kernel", {}, "kernel");
  refused("entries", {}, "entries");
  refused("provenance", {}, "provenance");
  refused(
      "fingerprint", [](File& f) { f.set_attribute("/", "fingerprint", "0"); }, "fingerprint");
  refused(
      "entries/batch",
      [](File& f) {
        f.write("entries/batch", std::vector<std::int64_t>{1, 1});
      },
      "entries/batch has 2 values, entries/step 4");
  refused(
      "entries/batch",
      [](File& f) {
        f.write("entries/batch", std::vector<std::int64_t>{1, 0, 1, 1});
      },
      "out of range");
  refused(
      "entries/weight_bits",
      [](File& f) {
        f.write("entries/weight_bits", std::vector<std::int64_t>{8, 9, 8, 8});
      },
      "out of range");
  refused(
      "entries/sample_count",
      [](File& f) {
        f.write("entries/sample_count", std::vector<std::int64_t>{4, 2, 3, 2});
      },
      "samples");
  refused(
      "entries/sample_count",
      [](File& f) {
        f.write("entries/sample_count", std::vector<std::int64_t>{4, -2, 3, 1});
      },
      "samples");
  refused(
      "entries/sample_count",
      [](File& f) {
        f.write("entries/sample_count", std::vector<std::int64_t>{4, 2, 2, 1});
      },
      "");
  refused(
      "entries/samples_us",
      [](File& f) { f.write("entries/samples_us", std::vector<double>(10, std::nan(""))); }, "not a time");
  refused(
      "entries/median_us",
      [](File& f) {
        f.write("entries/median_us", std::vector<double>{1, 2, 3, 4});
      },
      "contradict");
  refused(
      "canaries/chain_ns", [](File& f) { f.write("canaries/chain_ns", std::vector<double>{1}); }, "length");
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_there_twice_is_refused) {
  const TemporaryFolder folder;
  hwmodels::LatencyTable table;
  table.set({"a", "", {32, 32}, 1, 1, hwmodels::CacheState::hot}, hwmodels_tests::entry_of({1.0}));
  table.set({"b", "", {32, 32}, 1, 1, hwmodels::CacheState::hot}, hwmodels_tests::entry_of({1.0}));
  hwmodels::save_latency_table(table, folder / "table.h5");
  copy_with(folder / "table.h5", folder / "bad.h5", "entries/step", [](base::hdf5::File& file) {
    file.write_strings("entries/step", std::vector<std::string>{"a", "a"});
  });
  BOOST_CHECK_EXCEPTION(hwmodels::load_latency_table(folder / "bad.h5"), base::UserError,
                        message_has({"twice"}));
}

BOOST_AUTO_TEST_CASE(a_place_that_cannot_be_written_is_a_user_error) {
  const TemporaryFolder folder;
  base::replace_file(folder / "file", "x");
  BOOST_CHECK_THROW(hwmodels::save_latency_table(frozen_table(), folder / "file" / "table.h5"),
                    base::UserError);
}

BOOST_AUTO_TEST_CASE(a_file_with_any_bit_flipped_or_its_end_cut_is_refused) {
  const TemporaryFolder folder;
  hwmodels::save_latency_table(frozen_table(), folder / "table.h5");
  const std::string bytes = base::read_file(folder / "table.h5");
  const auto refused = [&](const std::string& content) {
    base::replace_file(folder / "bent.h5", content);
    BOOST_CHECK_THROW(hwmodels::load_latency_table(folder / "bent.h5"), base::UserError);
  };
  constexpr std::size_t kSealBytes = 24, kEvery = 61;
  for (std::size_t at = 0; at < bytes.size(); at += at + kSealBytes < bytes.size() ? kEvery : 1) {
    std::string bent = bytes;
    bent[at] = static_cast<char>(bent[at] ^ (1 << (at % 8)));
    refused(bent);
  }
  for (std::size_t cut = 1; cut <= kSealBytes + 1; ++cut) refused(bytes.substr(0, bytes.size() - cut));
}

BOOST_AUTO_TEST_SUITE_END()
