#include "experiments/results_hdf5.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <filesystem>

#include "experiments/results_json.hpp"
#include "quant/base/error.hpp"
#include "quant/base/file.hpp"
#include "quant/base/hdf5.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/experiments/example_results.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;
using namespace bitsmith::experiments;

namespace {

std::string error_of(const std::filesystem::path& path) {
  try {
    read_results(path);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(results_hdf5)

BOOST_AUTO_TEST_CASE(results_read_back_equal) {
  const tests::TemporaryFolder folder;
  const auto path = folder / "r.h5";
  const RunResults written = example_results();
  write_results(path, written);
  const RunResults read = read_results(path);
  // The JSON form holds everything but proposals, which are compared by themselves.
  BOOST_TEST(results_json(read) == results_json(written));
  BOOST_TEST((read.searches[0].episodes[0].proposed == written.searches[0].episodes[0].proposed));
  BOOST_TEST((read.searches[0].episodes[1].policy == written.searches[0].episodes[1].policy));
  BOOST_TEST(std::isnan(read.searches[0].episodes[1].costs[1]));
  BOOST_TEST(std::isnan(read.methods[1].latency_ms));
  BOOST_TEST(read.methods[2].policy.layers.empty());
}

BOOST_AUTO_TEST_CASE(a_run_stopped_after_training_can_be_stored) {
  const tests::TemporaryFolder folder;
  RunResults written = example_results();
  written.searches.clear();
  written.methods.clear();
  written.constraints.clear();
  written.winner = {};
  write_results(folder / "r.h5", written);
  BOOST_TEST(results_json(read_results(folder / "r.h5")) == results_json(written));
  write_results(folder / "empty.h5", {});
  BOOST_TEST(results_json(read_results(folder / "empty.h5")) == results_json({}));
}

BOOST_AUTO_TEST_CASE(equal_results_give_equal_bytes) {
  const tests::TemporaryFolder folder;
  write_results(folder / "a.h5", example_results());
  write_results(folder / "b.h5", example_results());
  BOOST_TEST((base::read_file(folder / "a.h5") == base::read_file(folder / "b.h5")));
}

BOOST_AUTO_TEST_CASE(contradicting_results_are_a_programming_error) {
  const tests::TemporaryFolder folder;
  RunResults results = example_results();
  results.methods[0].policy.layers.pop_back();
  BOOST_CHECK_THROW(write_results(folder / "r.h5", results), base::InternalError);
  results = example_results();
  results.searches[0].episodes[0].costs.push_back(1);
  BOOST_CHECK_THROW(write_results(folder / "r.h5", results), base::InternalError);
}

BOOST_AUTO_TEST_CASE(foreign_truncated_and_newer_files_are_refused) {
  const tests::TemporaryFolder folder;
  const auto path = folder / "r.h5";
  write_results(path, example_results());
  const std::string bytes = base::read_file(path);

  BOOST_TEST(error_of(folder / "none.h5").find("none.h5") != std::string::npos);
  base::replace_file(folder / "text.h5", "not HDF5");
  BOOST_TEST(error_of(folder / "text.h5").find("text.h5") != std::string::npos);
  base::replace_file(folder / "empty.h5", "");
  BOOST_TEST(error_of(folder / "empty.h5") != "no error");
  for (int part = 1; part < 20; ++part) {
    base::replace_file(folder / "cut.h5",
                       bytes.substr(0, bytes.size() * static_cast<std::size_t>(part) / 20));
    BOOST_TEST(error_of(folder / "cut.h5") != "no error");
  }
  base::hdf5::write_file(folder / "foreign.h5",
                         [](base::hdf5::File& file) { file.write_text("config", "seed: 1"); });
  BOOST_TEST(error_of(folder / "foreign.h5") ==
             (folder / "foreign.h5").string() + ": an HDF5 file, but not results of bitsmith");
  base::hdf5::write_file(folder / "newer.h5", [](base::hdf5::File& file) {
    file.set_attribute("/", "Conventions", "bitsmith-results");
    file.set_attribute("/", "schema_version", kResultsSchema + 1);
  });
  BOOST_TEST(error_of(folder / "newer.h5") ==
             (folder / "newer.h5").string() +
                 ": schema version 5, this program reads 1 to 4; use a newer bitsmith");
  base::hdf5::write_file(folder / "hollow.h5", [](base::hdf5::File& file) {
    file.set_attribute("/", "Conventions", "bitsmith-results");
    file.set_attribute("/", "schema_version", kResultsSchema);
  });
  BOOST_TEST(error_of(folder / "hollow.h5").find("hollow.h5") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(h5py_and_h5dump_can_read_the_file) {
  const tests::TemporaryFolder folder;
  const auto path = folder / "r.h5";
  write_results(path, example_results());
  // Debian's python3-h5py belongs to /usr/bin/python3.
  const std::string script = R"(
import sys, h5py
f = h5py.File(sys.argv[1])
assert f.attrs['schema_version'] == 4 and '725 mxfp4' in f.attrs['format_codes']
missing = []
def visit(name, item):
    if isinstance(item, h5py.Dataset):
        for key in ('units', 'long_name'):
            if key not in item.attrs: missing.append((name, key))
f.visititems(visit)
assert not missing, missing
s = f['searches/0']
assert s['weight_bits'].shape == (2, 2) and s['weight_bits'].dtype == 'i4'
assert s['weight_bits'].dims[0][0].name == '/searches/0/episode'
assert s['weight_bits'].dims[1][0].name == '/layers/name'
assert list(s['episode']) == [0, 1] and s['weight_bits'][0, 1] == 4
assert list(f['training/learning_rate']) == [0.1, 0.05]
assert list(f['training_steps/step']) == [2, 4, 6] and list(f['training_steps/loss']) == [1.5, 0.75, 0.25]
assert f['training_steps/loss'].dims[0][0].name == '/training_steps/step'
assert f['finetuning/1'].attrs['method'] == 'ddpg' and list(f['finetuning/1/validation_accuracy']) == [0.87]
assert f['methods/name'].asstr()[0] == 'fp32'
assert f['config'].asstr()[()].startswith('seed: 1')
)";
  const base::ProcessResult python =
      base::run_process({"/usr/bin/python3", "-c", script, path.string()}, "", 60);
  BOOST_TEST(python.exit_code == 0, python.err);
  const base::ProcessResult dump =
      base::run_process({"h5dump", "-d", "/methods/size_kib", path.string()}, "", 60);
  BOOST_TEST(dump.exit_code == 0, dump.err);
  BOOST_TEST(dump.out.find("0.49") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(files_of_the_first_schema_are_read_without_what_they_lack) {
  const tests::TemporaryFolder folder;
  const auto path = folder / "r.h5";
  write_results(path, example_results());
  const std::string script = R"(
import sys, h5py
f = h5py.File(sys.argv[1], 'r+')
f.attrs['schema_version'] = 1
winner = f['winner']
del f['training_steps']
del f['finetuning']
for key in ('learning_rate', 'accuracy', 'validation_loss'): del f['training'][key]
del winner['measured_microseconds']
for key in ('measured_other_microseconds', 'predicted_ms', 'measured_ms', 'measured_uniform8_ms', 'deployed_test_accuracy', 'agreement'):
    del winner.attrs[key]
)";
  const base::ProcessResult python =
      base::run_process({"/usr/bin/python3", "-c", script, path.string()}, "", 60);
  BOOST_REQUIRE_MESSAGE(python.exit_code == 0, python.err);
  const RunResults read = read_results(path);
  BOOST_TEST(read.training[0].validation_accuracy == 0.8);
  BOOST_TEST(std::isnan(read.training[0].learning_rate));
  BOOST_TEST(read.training_steps.losses.empty());
  const Winner& winner = read.winner;
  BOOST_TEST(winner.layers[0].microseconds == 30.5);
  BOOST_TEST(std::isnan(winner.layers[0].measured_microseconds));
  BOOST_TEST(std::isnan(winner.measured_ms));
}

BOOST_AUTO_TEST_SUITE_END()
