#include "experiments/config/dump.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>

#include "experiments/config/fields.hpp"
#include "tests/experiments/config/config_text.hpp"

using namespace bitsmith::experiments;

namespace {

/// Gives every field a valid value other than its default.
class Changer : public FieldVisitor {
 public:
  void begin_group(std::string_view, std::string_view) override {}
  void end_group() override {}
  void visit(const Field& field, FieldValue value) override { std::visit(Change{field}, value); }

 private:
  struct Change {
    const Field& field;
    void operator()(bool* value) const { *value = !*value; }
    void operator()(int* value) const {
      const bool listed = !field.integers.empty();
      *value = listed ? (*value == 3 ? 4 : 3)
                      : static_cast<int>(*value == field.range.high ? *value - 1 : *value + 1);
    }
    void operator()(double* value) const {
      const double third = *value / 3 + 1e-3;
      *value = field.range.contains(third) ? third : *value * 1.1;
    }
    void operator()(std::string* value) const {
      *value = field.choices.empty() ? "yes: #\"" : field.choices.back();
    }
    void operator()(std::vector<int>* values) const { *values = {3, 4}; }
    void operator()(std::vector<double>* values) const { *values = {0.1, 0.7}; }
    void operator()(std::vector<std::string>* values) const {
      *values =
          field.choices.empty() ? std::vector<std::string>{"a", "010"} : std::vector{field.choices.back()};
    }
    void operator()(bitsmith::quant::Format* format) const { *format = 3; }
    void operator()(std::vector<bitsmith::quant::Format>* formats) const { *formats = {8, 3}; }
    void operator()(const Choice& choice) const {
      choice.assign((choice.value + 1) % static_cast<int>(field.choices.size()));
    }
    void operator()(std::vector<bitsmith::quant::LayerOverride>* layers) const {
      bitsmith::quant::LayerOverride own;
      own.layer = "layer1.0.conv1";
      own.weight_method = bitsmith::quant::WeightMethod::lsq;
      own.activation_method = bitsmith::quant::ActivationMethod::pact;
      *layers = {own};
    }
    void operator()(std::vector<Constraint>* constraints) const {
      *constraints = {{"latency", 1.0 / 3, false}};
    }
  };
};

}  // namespace

BOOST_AUTO_TEST_SUITE(config_dump)

BOOST_AUTO_TEST_CASE(every_field_survives_dump_and_parse) {
  Config changed;
  Changer changer;
  visit_fields(changer, changed);
  // What rules between keys do not allow together: the round trip is about single fields.
  changed.network.name = "vgg_small";
  changed.network.file.clear();
  changed.network.model.clear();
  changed.network.trained = true;
  changed.network.description.clear();
  changed.network.checkpoint.clear();
  changed.ptq.policy.clear();
  changed.qat.policy.clear();
  changed.quantization.batch_norm = bitsmith::quant::QatBatchNorm::recalibrated;
  changed.quantization.observer_epochs = 0;
  changed.quantization.progressive_bits = {4, 3};
  changed.ptq.steps.equalize = changed.ptq.steps.absorb_biases = false;
  changed.output = "yes: #.h5";
  changed.train.schedule = changed.finetune.schedule = bitsmith::trainer::ScheduleKind::step;
  for (bitsmith::trainer::TrainOptions* options : {&changed.train, &changed.finetune}) {
    const bitsmith::trainer::TrainOptions defaults;
    options->restart_epochs = defaults.restart_epochs;
    options->restart_factor = defaults.restart_factor;
    options->distillation = defaults.distillation;
    options->distillation_temperature = defaults.distillation_temperature;
  }
  const bitsmith::trainer::TrainOptions untouched;
  changed.finetune.ema = untouched.ema;
  changed.finetune.early_stopping = untouched.early_stopping;
  changed.finetune.stop_metric = untouched.stop_metric;
  changed.finetune.min_improvement = untouched.min_improvement;
  changed.evaluator.builtin = {};
  changed.quantization.weight_calibration = bitsmith::quant::Calibration::kl;
  changed.data.train_images = 0;
  changed.data.format = bitsmith::trainer::DataFormat::numpy;
  const std::string text = dump_config(changed);
  BOOST_TEST(dump_config(parse_config(text, "dump")) == text);
}

BOOST_AUTO_TEST_CASE(what_single_layers_have_survives_dump_and_parse) {
  const std::string text =
      "network: {name: resnet20}\nqat: {weights: 4}\nquantization:\n  layers:\n    layer1.0.conv1: "
      "{weight_method: ttq, "
      "weight_bits: ttq, activation_bits: 6}\n    fc: {weight_bits: 32, activation_bits: 32}\n";
  const Config config = parse_config(text, "c.yaml");
  const auto& layers = config.quantization.layers;
  BOOST_REQUIRE(layers.size() == 2u);
  BOOST_TEST(layers[0].layer == "layer1.0.conv1");
  BOOST_CHECK(layers[0].weight_method == bitsmith::quant::WeightMethod::ttq);
  BOOST_CHECK(layers[0].weight_format == bitsmith::quant::kTtq);
  BOOST_CHECK(!layers[0].activation_method);
  BOOST_CHECK(layers[1].weight_format == bitsmith::quant::Format(32));
  const std::string dumped = dump_config(config);
  BOOST_TEST(dump_config(parse_config(dumped, "dump")) == dumped);
}

BOOST_AUTO_TEST_CASE(the_identity_leaves_out_what_cannot_change_a_result) {
  const Config config = parse_config(minimal_config, "c.yaml");
  Config other = config;
  other.output = "elsewhere.h5";
  other.threads = 7;
  other.hardware.program.timeout_s = 1;
  BOOST_TEST(config_identity(other) == config_identity(config));
  other.seed = 2;
  BOOST_TEST(config_identity(other) != config_identity(config));
}

BOOST_AUTO_TEST_CASE(a_stage_depends_on_its_keys_only) {
  const std::string_view keys[] = {"seed", "network", "data", "train"};
  const Config config = parse_config(minimal_config, "c.yaml");
  Config other = config;
  other.search.episodes = 7;
  BOOST_TEST(config_identity(other, keys) == config_identity(config, keys));
  other.train.epochs = 7;
  BOOST_TEST(config_identity(other, keys) != config_identity(config, keys));
}

BOOST_AUTO_TEST_SUITE_END()
