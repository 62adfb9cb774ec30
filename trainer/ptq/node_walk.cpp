#include "trainer/ptq/node_walk.hpp"

#include <algorithm>

#include "quant/base/error.hpp"
#include "quant/base/parallel.hpp"

namespace bitsmith::trainer::ptq {
namespace {

constexpr int kLanes = 16;       // work for that many threads, whatever their number
constexpr int kChunkImages = 8;  // of a lane at once: its scratch memory stays in the cache

template <typename Items>
auto find_in(Items& items, const std::string& name) {
  const auto found = std::ranges::find(items, name, [](const auto& item) { return item.name; });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace

NodeWalk::NodeWalk(const Network& network, const Tensor& images)
    : network_(network),
      images_(images),
      lanes_(cut_into_parts(images.batch(), kLanes)),
      layers_(network.info().nodes.size()),
      values_(network.info().nodes.size()),
      last_reader_(network.info().nodes.size(), 0) {
  const auto readers = network.info().consumers();
  for (std::size_t i = 0; i < readers.size(); ++i)
    last_reader_[i] = readers[i].empty() ? static_cast<int>(readers.size()) : readers[i].back();
}

NodeWalk::~NodeWalk() = default;

const Tensor& NodeWalk::value(int node) const {
  const Tensor& value = node == 0 ? images_ : values_[static_cast<std::size_t>(node)];
  base::require(value.batch() == images_.batch(), "NodeWalk: a value that is not there (any more)");
  return value;
}

bool NodeWalk::has(int node) const {
  return node == 0 || values_[static_cast<std::size_t>(node)].batch() > 0;
}

void NodeWalk::release(int node) {
  layers_[static_cast<std::size_t>(node)].reset();
  for (int i = 1; i <= node; ++i)
    if (last_reader_[static_cast<std::size_t>(i)] <= node) values_[static_cast<std::size_t>(i)] = Tensor();
}

void NodeWalk::run(int index) {
  const auto i = static_cast<std::size_t>(index);
  const quant::NetworkInfo& info = network_.info();
  const quant::Node& node = info.nodes[i];
  auto& layer = layers_[i];
  std::vector<Part> chunks;
  for (const Part& lane : lanes_) {
    const auto cut = cut_into_parts(lane.samples, (lane.samples + kChunkImages - 1) / kChunkImages);
    chunks.insert(chunks.end(), cut.begin(), cut.end());
  }
  const std::vector<int> sizes = part_sizes(chunks);
  if (layer == nullptr) {
    // Layers take what they may change in training; in evaluation they change nothing.
    auto& parameters = const_cast<std::vector<Parameter>&>(network_.parameters());
    auto& buffers = const_cast<std::vector<Buffer>&>(network_.buffers());
    LayerArguments arguments{.info = info, .node = node};
    arguments.weight = find_in(parameters, node.name + ".weight");
    arguments.bias = find_in(parameters, node.name + ".bias");
    arguments.running_mean = find_in(buffers, node.name + ".running_mean");
    arguments.running_var = find_in(buffers, node.name + ".running_var");
    arguments.scale = find_in(buffers, node.name + ".scale");
    for (std::size_t l = 0; l < info.layers.size(); ++l)
      if (info.layers[l].node == index) arguments.quantization = &network_.quantization(static_cast<int>(l));
    layer = layer_row(node.op).make(arguments);
    layer->reserve(static_cast<int>(lanes_.size()), sizes, false);
  }
  layer->prepare(Mode::evaluate);
  std::int64_t scratch_floats = 0;
  for (int size : sizes) scratch_floats = std::max(scratch_floats, layer->scratch_floats(size, false));

  Tensor& out = values_[i];
  out.resize(images_.batch(), node.output);
  base::parallel_for(static_cast<int>(lanes_.size()), [&](int lane) {
    Tensor scratch(1, {static_cast<int>(scratch_floats), 1, 1});
    const Part& range = lanes_[static_cast<std::size_t>(lane)];
    for (Part chunk : cut_into_parts(range.samples, (range.samples + kChunkImages - 1) / kChunkImages)) {
      ForwardPart part;
      part.part = lane;
      part.samples = chunk.samples;
      part.mode = Mode::evaluate;
      part.scratch = scratch.data();
      for (std::size_t k = 0; k < node.inputs.size(); ++k)
        part.x[k] = value(node.inputs[k]).sample(range.first + chunk.first);
      part.y = out.sample(range.first + chunk.first);
      layer->forward(part);
    }
  });
}

void walk_layers(const Network& quantized, const Network& reference, const Tensor& images,
                 const AtLayer& at_layer) {
  const quant::NetworkInfo& info = reference.info();
  NodeWalk wanted(reference, images), got(quantized, images);
  std::size_t layer = 0;
  for (int node = 1; node < static_cast<int>(info.nodes.size()); ++node) {
    wanted.run(node);
    if (layer < info.layers.size() && info.layers[layer].node == node)
      at_layer(static_cast<int>(layer++), got, wanted);
    if (!got.has(node)) got.run(node);
    wanted.release(node);
    got.release(node);
  }
}

}  // namespace bitsmith::trainer::ptq
