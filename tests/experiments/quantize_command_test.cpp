#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "quant/base/hdf5.hpp"
#include "quant/base/npy.hpp"
#include "quant/base/random.hpp"
#include "quant/base/subprocess.hpp"
#include "quant/formats/encoding.hpp"
#include "tests/quant/base/temporary_folder.hpp"

using namespace bitsmith;

namespace {

constexpr double kTimeout_s = 120;

base::ProcessResult quantize(std::vector<std::string> words) {
  words.insert(words.begin(), {BITSMITH_EXECUTABLE, "quantize"});
  return base::run_process(words, "", kTimeout_s);
}

struct Files {
  Files() {
    base::Rng rng(11);
    for (float& x : values) x = static_cast<float>(rng.normal());
    base::write_npy(tensor, std::span<const float>(values), {6, 10, 7});
    const std::vector<double> doubles(values.begin(), values.end());
    base::write_npy(wide, std::span<const double>(doubles), {6, 70});
    base::hdf5::write_file(container, [&](base::hdf5::File& file) {
      file.write("layers/conv", values, {60, 7});
      file.write("layers/other", std::vector<double>{1, 2});
      file.write("labels", std::vector<std::int32_t>{1, 2});
    });
  }
  tests::TemporaryFolder folder;
  std::vector<float> values = std::vector<float>(420);
  std::string tensor = (folder / "x.npy").string(), wide = (folder / "w.npy").string();
  std::string container = (folder / "c.h5").string(), out = (folder / "out.h5").string();
};

nlohmann::json json_of(std::vector<std::string> words) {
  words.emplace_back("--json");
  const auto said = quantize(std::move(words));
  BOOST_REQUIRE_MESSAGE(said.exit_code == 0, said.err);
  return nlohmann::json::parse(said.out);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quantize_command)

BOOST_AUTO_TEST_CASE(the_file_holds_what_the_library_gives) {
  const Files files;
  const auto said =
      quantize({files.tensor, "--format", "int4", "--granularity", "channel:1", "--scheme", "affine",
                "--calibration", "percentile", "--percentile", "99", "--output", files.out});
  BOOST_REQUIRE_MESSAGE(said.exit_code == 0, said.err);
  quant::EncodingOptions options;
  options.scheme = quant::Scheme::affine;
  options.slicing = {quant::Grain::channel, 1, 0};
  options.calibration = quant::Calibration::percentile;
  options.percentile = 99;
  const std::int64_t shape[] = {6, 10, 7};
  const quant::Encoded expected = quant::encode(files.values, shape, *quant::find_format("int4"), options);
  const auto file = base::hdf5::File::open(files.out);
  BOOST_TEST(file.read<std::int32_t>("codes").values == expected.codes, boost::test_tools::per_element());
  BOOST_TEST(file.read<float>("scales").values == expected.scales, boost::test_tools::per_element());
  BOOST_TEST(file.read<std::int32_t>("zero_points").values == expected.zero_points,
             boost::test_tools::per_element());
  BOOST_TEST(file.read<float>("dequantized").values == quant::decode(expected),
             boost::test_tools::per_element());
  BOOST_TEST((file.extents("codes") == base::hdf5::Extents{6, 10, 7}));
  BOOST_TEST((file.extents("scales") == base::hdf5::Extents{10}));
  BOOST_TEST(file.string_attribute("/", "format") == "int4");
}

BOOST_AUTO_TEST_CASE(every_format_writes_scales_that_decode_its_codes) {
  const Files files;
  for (const quant::Format format : quant::all_formats()) {
    const auto said = quantize({files.wide, "--format", format.name(), "--output", files.out});
    BOOST_TEST_CONTEXT(format.name()) {
      BOOST_REQUIRE_MESSAGE(said.exit_code == 0, said.err);
      const auto file = base::hdf5::File::open(files.out);
      BOOST_TEST(file.exists("packed"));
      BOOST_TEST(file.exists("scales") == !file.exists("codebook"));
      BOOST_TEST(file.exists("block_scale_codes") == (format.row().block > 0 && format.name() != "nf4"));
    }
  }
}

BOOST_AUTO_TEST_CASE(npy_output_lies_side_by_side) {
  const Files files;
  const std::string out = (files.folder / "out.npy").string();
  const auto said = quantize({files.tensor, "--format", "mxfp4", "--axis", "1", "--output", out});
  BOOST_REQUIRE_MESSAGE(said.exit_code == 0, said.err);
  BOOST_TEST((base::read_npy(out).shape == std::vector<std::uint64_t>{6, 10, 7}));
  BOOST_TEST((base::read_npy(files.folder / "out.codes.npy").shape == std::vector<std::uint64_t>{6, 10, 7}));
  BOOST_TEST((base::read_npy(files.folder / "out.scales.npy").shape == std::vector<std::uint64_t>{6, 1, 7}));
}

BOOST_AUTO_TEST_CASE(tensors_are_found_in_hdf5_files) {
  const Files files;
  BOOST_TEST(json_of({files.container, "--dataset", "layers/conv", "--format", "int8"})["shape"] ==
             nlohmann::json({60, 7}));
  BOOST_TEST(json_of({files.container + ":/layers/other", "--format", "int8"})["shape"] ==
             nlohmann::json({2}));
  const auto said = quantize({files.container, "--format", "int8"});
  BOOST_TEST(said.exit_code == 2);
  BOOST_TEST(said.err.find("name one with --dataset: layers/conv, layers/other") != std::string::npos,
             said.err);
}

BOOST_AUTO_TEST_CASE(files_whose_links_make_circles_or_lead_nowhere_are_read) {
  const Files files;
  const std::string circle = (files.folder / "circle.h5").string();
  const auto made = base::run_process({"/usr/bin/python3", "-c",
                                       "import h5py, numpy, sys\nf = h5py.File(sys.argv[1], 'w')\nf['a'] = "
                                       "numpy.ones(4, 'f4')\nf['g'] = f['/']\n"
                                       "f['nowhere'] = h5py.SoftLink('/gone')\n",
                                       circle},
                                      "", kTimeout_s);
  BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.err);
  BOOST_TEST(json_of({circle, "--dataset", "a", "--format", "int8"})["shape"] == nlohmann::json({4}));
  const auto said = quantize({circle, "--format", "int8"});
  BOOST_TEST(said.exit_code == 2);
  BOOST_TEST(said.err.find("name one with --dataset") != std::string::npos, said.err);
}

BOOST_AUTO_TEST_CASE(what_an_earlier_format_left_beside_a_npy_file_goes) {
  const Files files;
  const std::string out = (files.folder / "out.npy").string();
  quantize({files.tensor, "--format", "uint8", "--output", out});
  BOOST_TEST(std::filesystem::exists(files.folder / "out.zero_points.npy"));
  quantize({files.tensor, "--format", "int8", "--output", out});
  BOOST_TEST(!std::filesystem::exists(files.folder / "out.zero_points.npy"));
  BOOST_TEST(std::filesystem::exists(files.folder / "out.scales.npy"));
}

BOOST_AUTO_TEST_CASE(an_axis_is_that_of_channels_too) {
  const Files files;
  BOOST_TEST(
      json_of({files.tensor, "--format", "int4", "--granularity", "channel", "--axis", "1"})["scales"] == 10);
  BOOST_TEST(json_of({files.tensor, "--format", "int4", "--granularity", "channel"})["scales"] == 6);
  BOOST_TEST(json_of({files.tensor, "--format", "int4", "--granularity", "token", "--axis", "0"})["scales"] ==
             70);
}

BOOST_AUTO_TEST_CASE(comparing_all_shows_each_format_once_in_order_of_bits) {
  const Files files;
  const auto all = json_of({files.tensor, "--format", "all", "--granularity", "group:5"});
  BOOST_TEST(all["formats"].size() == quant::all_formats().size());
  const auto error = [&](const std::string& name) {
    for (const auto& row : all["formats"])
      if (row["format"] == name) return row["mse"].get<double>();
    return -1.0;
  };
  BOOST_TEST(error("int8") < error("int4"));
  BOOST_TEST(error("int4") < error("int2"));
}

BOOST_AUTO_TEST_CASE(the_list_names_everything) {
  const auto text = quantize({"--list"});
  const auto list = nlohmann::json::parse(quantize({"--list", "--json"}).out);
  BOOST_TEST(text.exit_code == 0);
  for (const char* word : {"int2 .. int16", "nvfp4", "octav", "token", "away"})
    BOOST_TEST(text.out.find(word) != std::string::npos, word);
  BOOST_TEST(list["formats"].size() == quant::all_formats().size());
  BOOST_TEST(list["calibrations"].size() == 8u);
}

BOOST_AUTO_TEST_CASE(bits_and_a_family_name_a_format) {
  const Files files;
  BOOST_TEST(json_of({files.tensor, "--bits", "5"})["format"] == "int5");
  BOOST_TEST(json_of({files.tensor, "--bits", "5", "--unsigned"})["format"] == "uint5");
  BOOST_TEST(json_of({files.tensor, "--format", "pow2", "--bits", "4"})["format"] == "pow2_4");
  BOOST_TEST(json_of({files.tensor, "--format", "kmeans", "--bits", "2"})["format"] == "kmeans2");
}

BOOST_AUTO_TEST_CASE(a_yaml_file_says_the_same_words) {
  const Files files;
  const std::string config = (files.folder / "q.yaml").string();
  std::ofstream(config) << "format: int4\nscheme: affine\ngranularity: group:5:1\ncalibration: percentile\n"
                           "percentile: 99\nrounding: away\n";
  const auto by_file = json_of({files.tensor, "--config", config});
  BOOST_TEST(by_file ==
             json_of({files.tensor, "--format", "int4", "--scheme", "affine", "--granularity", "group:5:1",
                      "--calibration", "percentile", "--percentile", "99", "--rounding", "away"}));
  BOOST_TEST(json_of({files.tensor, "--config", config, "--format", "int8"})["format"] == "int8");
  for (const auto& [text, expected] :
       {std::pair{"formt: int4\n", "q.yaml:1:1: unknown key 'formt', did you mean 'format'?"},
        std::pair{"bins: many\n", "q.yaml:1:7: bins: "},
        std::pair{"- int4\n", "expected a map of options"}}) {
    std::ofstream(config) << text;
    const auto said = quantize({files.tensor, "--config", config});
    BOOST_TEST(said.exit_code == 2);
    BOOST_TEST(said.err.find(expected) != std::string::npos, said.err);
  }
}

BOOST_AUTO_TEST_CASE(mistakes_are_told_with_what_is_allowed) {
  const Files files;
  const std::string nan = (files.folder / "nan.npy").string(), integers = (files.folder / "i.npy").string();
  const std::string lie = (files.folder / "lie.h5").string();
  base::write_npy(nan, std::span<const float>(std::vector<float>{1, std::nanf("")}), {2});
  base::write_npy(integers, std::span<const std::int32_t>(std::vector<std::int32_t>{1}), {1});
  std::ofstream(lie) << "no HDF5";
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{files.tensor, "--format", "int99"}, "there is no format 'int99'; allowed: int2 to int16"},
      {{files.tensor, "--format", "mxpf4"}, "did you mean 'mxfp4'?"},
      {{files.tensor, "--bits", "1"}, "--bits: got 1, allowed: 2 to 16"},
      {{files.tensor, "--format", "fp32"}, "fp32 is what tensors are in already"},
      {{files.tensor, "--bits", "0"}, "--bits: got 0, allowed: 2 to 16"},
      {{files.tensor, "--format", "int4", "--unsigned"}, "--unsigned goes with --bits"},
      {{files.tensor, "--format", "kmeans3", "--range", "narrow"}, "kmeans3 has no such choice"},
      {{files.tensor, "--format", "int4", "--axis", "9"}, "--axis: got 9"},
      {{files.tensor, "--format", "int4", "--seed", "-1"}, "--seed: got -1"},
      {{files.tensor, "--format", "int4", "--bins", "7"}, "--bins: got 7, allowed: 128 to 65536"},
      {{files.tensor, "--format", "int4", "--output", files.tensor}, "is the input; it is kept"},
      {{files.tensor}, "Give --format NAME"},
      {{}, "which tensor?"},
      {{files.tensor, "--format", "int4", "--granularity", "channel:3"}, "has no axis 3; allowed: -3 to 2"},
      {{files.tensor, "--format", "int4", "--granularity", "group:0"}, "needs at least 1"},
      {{files.tensor, "--format", "mx9", "--block", "7"}, "block 7 is odd"},
      {{files.tensor, "--format", "int4", "--calibration", "octva"}, "did you mean 'octav'?"},
      {{files.tensor, "--format", "int4", "--percentile", "101"}, "--percentile: got 101"},
      {{files.tensor, "--format", "nf4", "--scheme", "affine"}, "only int and uint formats have zero points"},
      {{files.tensor, "--format", "int4", "--output", "x.txt"}, "outputs end in .npy, .h5 or .hdf5"},
      {{files.tensor, "--format", "int4", "--output", "/proc/none/x.h5"}, "/proc/none"},
      {{nan, "--format", "int4"}, "nan.npy: int4: element 1 of 2 is NaN"},
      {{integers, "--format", "int4"}, "holds integers"},
      {{lie, "--format", "int4"}, "lie.h5"},
      {{(files.folder / "none.npy").string(), "--format", "int4"}, "none.npy: cannot read"},
  };
  for (const auto& [words, expected] : cases) {
    const auto said = quantize(words);
    BOOST_TEST(said.exit_code == 2, expected);
    BOOST_TEST(said.err.find(expected) != std::string::npos, said.err);
  }
}

BOOST_AUTO_TEST_SUITE_END()
