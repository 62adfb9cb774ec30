#include "trainer/training/checkpoint_state.hpp"

#include <utility>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

namespace hdf5 = base::hdf5;

constexpr std::uint64_t kCurveColumns = 6;

class Writer {
 public:
  Writer(hdf5::File& file, const Network& network) : file_(file), network_(network) {}

  void write(const TrainState& state) {
    optimizer("optimizer", state.optimizer);
    progress(state);
    trace("training/losses", state.trace);
    average("average", state.average);
    numbers("best", state.best);
    const LastGood& good = state.last_good;
    if (good.step < 0 || good.step == state.step) return;  // that is the state itself
    file_.make_group("last_good");
    file_.set_attribute("last_good", "step", good.step);
    optimizer("last_good/optimizer", good.optimizer);
    numbers("last_good", good.numbers);
    average("last_good/average", good.average);
    trace("last_good/losses", good.trace);
  }

 private:
  void moments(const std::string& group, const std::vector<std::vector<float>>& values) {
    if (values.empty()) return;
    const auto& parameters = network_.parameters();
    base::require(values.size() == parameters.size(), "checkpoint: numbers of another network");
    for (std::size_t i = 0; i < values.size(); ++i)
      file_.write(group + "/" + parameters[i].name, values[i],
                  {parameters[i].shape.begin(), parameters[i].shape.end()});
  }
  void optimizer(const std::string& group, const OptimizerState& state) {
    file_.make_group(group);
    file_.set_attribute(group, "steps", state.steps);
    moments(group + "/first", state.first);
    moments(group + "/second", state.second);
  }
  void numbers(const std::string& group, const NetworkNumbers& values) {
    if (values.empty()) return;
    moments(group + "/parameters", values.parameters);
    const auto& buffers = network_.buffers();
    base::require(values.buffers.size() == buffers.size(), "checkpoint: numbers of another network");
    for (std::size_t i = 0; i < buffers.size(); ++i)
      file_.write(group + "/buffers/" + buffers[i].name, values.buffers[i]);
  }
  void average(const std::string& group, const AverageState& state) {
    if (state.numbers.empty()) return;
    file_.make_group(group);
    file_.set_attribute(group, "updates", state.updates);
    numbers(group, state.numbers);
  }
  void trace(const std::string& dataset, const LossTrace& losses) {
    file_.write(dataset, losses.points);
    file_.set_attribute(dataset, "stride", losses.stride);
    file_.set_attribute(dataset, "pending", losses.pending);
    file_.set_attribute(dataset, "pending_steps", losses.pending_steps);
  }
  void progress(const TrainState& state) {
    const std::string group = "training";
    file_.make_group(group);
    const auto attribute = [&](const char* name, auto value) { file_.set_attribute(group, name, value); };
    attribute("finished", state.finished ? 1 : 0);
    attribute("sum_loss", state.sums.loss);
    attribute("sum_correct", state.sums.correct);
    attribute("sum_steps", state.sums.steps);
    attribute("sum_images", state.sums.images);
    attribute("stopping_any", state.stopping.any ? 1 : 0);
    attribute("stopping_best", state.stopping.best);
    attribute("stopping_best_epoch", state.stopping.best_epoch);
    attribute("stopping_waited", state.stopping.waited);
    attribute("watch_losses", state.watch.losses);
    attribute("watch_average", state.watch.average);
    attribute("watch_best", state.watch.best);
    attribute("rollbacks", state.rollbacks);
    attribute("rate_factor", state.rate_factor);
    std::vector<double> curve;
    for (const EpochRecord& r : state.curve)
      curve.insert(curve.end(),
                   {r.epoch, r.learning_rate, r.loss, r.accuracy, r.validation_loss, r.validation_accuracy});
    file_.write(group + "/curve", curve, {state.curve.size(), kCurveColumns});
  }

  hdf5::File& file_;
  const Network& network_;
};

class Reader {
 public:
  Reader(const hdf5::File& file, const ReadValues& parameters, const ReadValues& buffers)
      : file_(file), read_parameters_(parameters), read_buffers_(buffers) {}

  OptimizerState optimizer(const std::string& group) const {
    OptimizerState state;
    state.steps = file_.int_attribute(group, "steps");
    if (file_.exists(group + "/first")) state.first = read_parameters_(group + "/first");
    if (file_.exists(group + "/second")) state.second = read_parameters_(group + "/second");
    return state;
  }
  NetworkNumbers numbers(const std::string& group) const {
    if (!file_.exists(group + "/parameters")) return {};
    return {read_parameters_(group + "/parameters"), read_buffers_(group + "/buffers")};
  }
  AverageState average(const std::string& group) const {
    if (!file_.exists(group)) return {};
    return {file_.int_attribute(group, "updates"), numbers(group)};
  }
  LossTrace trace(const std::string& dataset) const {
    LossTrace losses;
    losses.points = file_.read<float>(dataset).values;
    losses.stride = file_.int_attribute(dataset, "stride");
    losses.pending = file_.double_attribute(dataset, "pending");
    losses.pending_steps = file_.int_attribute(dataset, "pending_steps");
    if (losses.stride < 1 || losses.points.size() > LossTrace::kMaxPoints)
      throw base::UserError(file_.path().string() + ": '" + dataset + "' is damaged");
    return losses;
  }
  LastGood last_good() const {
    if (!file_.exists("last_good")) return {};
    return {file_.int_attribute("last_good", "step"), numbers("last_good"), optimizer("last_good/optimizer"),
            average("last_good/average"), trace("last_good/losses")};
  }
  void progress(TrainState& state) const {
    const auto integer = [&](const char* name) { return file_.int_attribute("training", name); };
    const auto number = [&](const char* name) { return file_.double_attribute("training", name); };
    state.finished = integer("finished") != 0;
    state.sums = {number("sum_loss"), number("sum_correct"), integer("sum_steps"), integer("sum_images")};
    state.stopping = {integer("stopping_any") != 0, number("stopping_best"), number("stopping_best_epoch"),
                      static_cast<int>(integer("stopping_waited"))};
    state.watch = {integer("watch_losses"), number("watch_average"), number("watch_best")};
    state.rollbacks = static_cast<int>(integer("rollbacks"));
    state.rate_factor = number("rate_factor");
    state.curve = read_curve(file_);
  }

 private:
  const hdf5::File& file_;
  const ReadValues &read_parameters_, &read_buffers_;
};

}  // namespace

void write_train_state(hdf5::File& file, const Network& network, const TrainState& state) {
  file.set_attribute("/", "step", state.step);
  file.set_attribute("/", "total_steps", state.total);
  file.set_attribute("/", "epoch", state.epoch);
  file.set_attribute("/", "loss", state.loss);
  Writer(file, network).write(state);
}

std::vector<EpochRecord> read_curve(const hdf5::File& file) {
  const auto table = file.read<double>("training/curve");
  if (table.extents.size() != 2 || table.extents[1] != kCurveColumns)
    throw base::UserError(file.path().string() + ": 'training/curve' is damaged");
  std::vector<EpochRecord> curve;
  for (std::size_t i = 0; i < table.values.size(); i += kCurveColumns) {
    const double* const row = table.values.data() + i;
    curve.push_back({row[0], row[1], row[2], row[3], row[4], row[5]});
  }
  return curve;
}

TrainState read_train_state(const hdf5::File& file, std::int64_t version, const ReadValues& read_parameters,
                            const ReadValues& read_buffers) {
  const Reader reader(file, read_parameters, read_buffers);
  TrainState state;
  state.step = file.int_attribute("/", "step");
  state.total = file.int_attribute("/", "total_steps");
  state.epoch = file.double_attribute("/", "epoch");
  state.loss = file.double_attribute("/", "loss");
  state.optimizer = reader.optimizer("optimizer");
  if (version == 1) {
    state.finished = state.step == state.total;
    return state;
  }
  reader.progress(state);
  state.trace = reader.trace("training/losses");
  state.average = reader.average("average");
  state.best = reader.numbers("best");
  state.last_good = reader.last_good();
  return state;
}

}  // namespace bitsmith::trainer
