#include "trainer/checkpoint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "quant/base/nearest.hpp"
#include "quant/qat_methods.hpp"
#include "trainer/training/checkpoint_state.hpp"

namespace bitsmith::trainer {
namespace {

namespace hdf5 = base::hdf5;

constexpr const char* kFormat = "bitsmith checkpoint";
constexpr std::int64_t kVersion = 2;  // 1 is read too

std::string hash_of(const Network& network) { return fmt::format("{:016x}", network.info().hash()); }

hdf5::Extents extents_of(const Parameter& parameter) {
  return {parameter.shape.begin(), parameter.shape.end()};
}
hdf5::Extents extents_of(const Buffer& buffer) { return {buffer.value.size()}; }

/// How training quantizes; what is absent is the default.
void write_methods(hdf5::File& file, const std::string& group, const LayerQuantization& q) {
  const LayerQuantization defaults;
  if (q.weight_method != defaults.weight_method)
    file.set_attribute(group, "weight_method", std::string(quant::weight_method_row(q.weight_method).name));
  if (q.activation_method != defaults.activation_method)
    file.set_attribute(group, "activation_method",
                       std::string(quant::activation_method_row(q.activation_method).name));
  if (q.folds_batch_norm) file.set_attribute(group, "folds_batch_norm", 1);
  if (q.observes_input) file.set_attribute(group, "observes_input", 1);
}

/// The value of the row of that name; nothing if there is none.
template <typename Rows>
auto method_named(const Rows& rows, std::string_view name) -> std::optional<decltype(rows[0].method)> {
  for (const auto& row : rows)
    if (row.name == name) return row.method;
  return std::nullopt;
}

void write_quantization(hdf5::File& file, const std::string& group, const LayerQuantization& q) {
  file.make_group(group);
  file.set_attribute(group, "weight_bits", q.weight_format.code());
  file.set_attribute(group, "per_channel", q.weight_granularity == quant::Granularity::channel ? 1 : 0);
  file.set_attribute(group, "activation_bits", q.activation_bits);
  file.set_attribute(group, "activation_signed", q.activation_signed ? 1 : 0);
  file.set_attribute(group, "activation_scale", static_cast<double>(q.activation_scale));
  if (q.activation_dynamic) file.set_attribute(group, "activation_dynamic", 1);
  write_methods(file, group, q);
  if (!q.weight_clip.empty()) file.write(group + "/weight_clip", q.weight_clip);
  if (!q.weight_scales.empty()) file.write(group + "/weight_scales", q.weight_scales);
}

std::int64_t checked_version(const hdf5::File& file) {
  const auto fail = [&](const std::string& what) {
    throw base::UserError(fmt::format("{}: {}", file.path().string(), what));
  };
  if (!file.has_attribute("/", "format") || file.string_attribute("/", "format") != kFormat)
    fail("is an HDF5 file, but not a checkpoint");
  const std::int64_t version = file.int_attribute("/", "format_version");
  if (version < 1 || version > kVersion)
    fail(fmt::format("checkpoint format {}, this program reads 1 to {}", version, kVersion));
  return version;
}

// Reads what belongs to one network, checking as it goes; names the file in every message.
class Reader {
 public:
  Reader(const std::filesystem::path& path, const Network& network)
      : file_(hdf5::File::open(path)), network_(network) {
    version_ = checked_version(file_);
  }

  const hdf5::File& file() const { return file_; }

  [[noreturn]] void fail(std::string_view what) const {
    throw base::UserError(fmt::format("{}: {}", file_.path().string(), what));
  }

  // The values of each of `wanted` under `group`, and nothing else may be there.
  template <class Entry>
  std::vector<std::vector<float>> read_all(const std::string& group, std::span<const Entry> wanted) const {
    std::vector<std::vector<float>> values;
    for (const Entry& entry : wanted) {
      const std::string name = group + "/" + entry.name;
      if (!file_.exists(name))
        fail(fmt::format("has no '{}', which network '{}' needs{}", name, its_name(), written_for()));
      const auto extents = file_.extents(name);
      if (extents != extents_of(entry))
        fail(fmt::format("'{}' is {}, but network '{}' needs {}{}", name, fmt::join(extents, "x"), its_name(),
                         fmt::join(extents_of(entry), "x"), written_for()));
      values.push_back(file_.read<float>(name).values);
      if (!std::all_of(values.back().begin(), values.back().end(), [](float x) { return std::isfinite(x); }))
        fail(fmt::format("'{}' holds a value that is not finite", name));
    }
    return values;
  }

  void check_network() const {
    if (file_.string_attribute("/", "network_hash") != hash_of(network_))
      fail(fmt::format(
          "was written for another network than '{}', although its parameters have the same shapes{}",
          its_name(), written_for()));
  }

  // Of `whole`, the network with the quantization that the file has: learned numbers too.
  TrainState read_state(const Network& whole) const {
    return read_train_state(
        file_, version_,
        [&](const std::string& group) {
          return read_all(group, std::span<const Parameter>(whole.parameters()));
        },
        [&](const std::string& group) { return read_all(group, std::span<const Buffer>(whole.buffers())); });
  }

  LayerQuantization read_quantization(const std::string& layer) const {
    const std::string group = "quantization/" + layer;
    LayerQuantization q;
    const std::int64_t code = file_.int_attribute(group, "weight_bits");
    const auto format = quant::format_of_code(static_cast<int>(code));
    if (!format) fail(fmt::format("layer '{}' has weights in a format of the unknown code {}", layer, code));
    q.weight_format = *format;
    q.weight_granularity = file_.int_attribute(group, "per_channel") != 0 ? quant::Granularity::channel
                                                                          : quant::Granularity::tensor;
    q.activation_bits = static_cast<int>(file_.int_attribute(group, "activation_bits"));
    q.activation_signed = file_.int_attribute(group, "activation_signed") != 0;
    q.activation_scale = static_cast<float>(file_.double_attribute(group, "activation_scale"));
    q.activation_dynamic = file_.has_attribute(group, "activation_dynamic") &&
                           file_.int_attribute(group, "activation_dynamic") != 0;
    read_methods(group, layer, q);
    if (file_.exists(group + "/weight_clip"))
      q.weight_clip = file_.read<float>(group + "/weight_clip").values;
    if (file_.exists(group + "/weight_scales"))
      q.weight_scales = file_.read<float>(group + "/weight_scales").values;
    return q;
  }

 private:
  template <typename Rows>
  auto method(const Rows& rows, const std::string& name, const std::string& layer) const {
    const auto found = method_named(rows, name);
    if (!found) fail(fmt::format("layer '{}' is trained by the unknown method '{}'", layer, name));
    return *found;
  }

  void read_methods(const std::string& group, const std::string& layer, LayerQuantization& q) const {
    if (file_.has_attribute(group, "weight_method"))
      q.weight_method =
          method(quant::weight_methods(), file_.string_attribute(group, "weight_method"), layer);
    if (file_.has_attribute(group, "activation_method"))
      q.activation_method =
          method(quant::activation_methods(), file_.string_attribute(group, "activation_method"), layer);
    q.folds_batch_norm = file_.has_attribute(group, "folds_batch_norm");
    q.observes_input = file_.has_attribute(group, "observes_input");
  }
  const std::string& its_name() const { return network_.info().name; }
  std::string written_for() const {
    return fmt::format(" (the file was written for '{}')", file_.string_attribute("/", "network"));
  }

  hdf5::File file_;
  const Network& network_;
  std::int64_t version_ = 0;
};

template <class Entry>
void put(std::vector<std::vector<float>>&& values, std::vector<Entry>& into) {
  for (std::size_t i = 0; i < values.size(); ++i) into[i].value = std::move(values[i]);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Network& network,
                     const Checkpoint& checkpoint) {
  hdf5::write_file(path, [&](hdf5::File& file) {
    file.set_attribute("/", "format", kFormat);
    file.set_attribute("/", "format_version", kVersion);
    file.set_attribute("/", "network", network.info().name);
    file.set_attribute("/", "network_hash", hash_of(network));
    file.set_attribute("/", "run_identity", checkpoint.run_identity);
    file.set_attribute("/", "seed", static_cast<std::int64_t>(checkpoint.seed));
    for (const Parameter& p : network.parameters())
      file.write("parameters/" + p.name, p.value, extents_of(p));
    for (const Buffer& b : network.buffers()) file.write("buffers/" + b.name, b.value, extents_of(b));
    write_train_state(file, network, checkpoint.state);
    const auto& layers = network.info().layers;
    for (std::size_t i = 0; i < layers.size(); ++i)
      write_quantization(file, "quantization/" + layers[i].name, network.quantization(static_cast<int>(i)));
  });
}

Checkpoint load_checkpoint(const std::filesystem::path& path, Network& network,
                           std::string_view run_identity) {
  const Reader reader(path, network);
  const hdf5::File& file = reader.file();
  // What every network has, before what its quantization adds: so it is told first what does not fit.
  reader.read_all("parameters",
                  std::span(std::as_const(network).parameters()).first(network.own_parameters()));
  reader.read_all("buffers", std::span(std::as_const(network).buffers()).first(network.own_buffers()));
  reader.check_network();

  Checkpoint checkpoint;
  checkpoint.run_identity = file.string_attribute("/", "run_identity");
  if (!run_identity.empty() && checkpoint.run_identity != run_identity)
    reader.fail(
        fmt::format("belongs to another run ({}) than this one ({}): remove it, or choose another output",
                    checkpoint.run_identity, run_identity));
  checkpoint.seed = static_cast<std::uint64_t>(file.int_attribute("/", "seed"));
  Network whole = network.clone();
  for (int layer = 0; layer < static_cast<int>(network.info().layers.size()); ++layer)
    whole.set_quantization(
        layer, reader.read_quantization(network.info().layers[static_cast<std::size_t>(layer)].name));
  checkpoint.state = reader.read_state(whole);
  put(reader.read_all("parameters", std::span<const Parameter>(whole.parameters())), whole.parameters());
  put(reader.read_all("buffers", std::span<const Buffer>(whole.buffers())), whole.buffers());
  network.copy_state_from(whole);  // only now that all of it has been read
  return checkpoint;
}

std::vector<EpochRecord> load_curve(const std::filesystem::path& path) {
  const hdf5::File file = hdf5::File::open(path);
  return checked_version(file) == 1 ? std::vector<EpochRecord>{} : read_curve(file);
}

void load_trained(const std::filesystem::path& path, Network& network) {
  const Checkpoint checkpoint = load_checkpoint(path, network);
  const NetworkNumbers& averaged = checkpoint.state.average.numbers;
  if (!averaged.empty()) put_numbers(averaged, network);
}

}  // namespace bitsmith::trainer
