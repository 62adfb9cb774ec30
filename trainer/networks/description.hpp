#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quant/base/yaml.hpp"
#include "trainer/networks/networks.hpp"

namespace bitsmith::trainer {

/// A layer of a description: what NetworkBuilder needs of it, and where it stands.
struct DescribedLayer {
  static constexpr int kInput = -1;   ///< in `from`: the network's input
  static constexpr int kClasses = 0;  ///< `out`: as many as there are classes

  quant::Op op = quant::Op::input;
  std::string name;
  std::vector<int> from;  ///< indices of earlier layers, or kInput
  int out = kClasses;
  quant::Window window;
  int groups = 1;
  bool bias = false, transpose = false;
  bool counts_padding = false;
  float epsilon = 1e-5f, factor = 1;
  quant::Function function = quant::Function::sigmoid;
  float alpha = 0, beta = 0, value = 0;
  int begin = 0;
  base::YamlMark mark;
  std::string place;  ///< "layers[2].conv"
};

/// A network written down as YAML, for any input: README.md of this folder has the format.
struct NetworkDescription {
  std::string source;  ///< the file's name as messages show it
  std::string name;
  std::vector<DescribedLayer> layers;  ///< at least one
};

/// Throws UserError with every problem at once, one a line: "file:line:column: layers[2].conv.kernel: got
/// ..., allowed: ...".
NetworkDescription read_network(std::string_view text, const std::string& source);

/// The network for images and classes. Throws UserError, with the place in the description, where shapes do
/// not fit, a tensor is too large, or the last layer does not give one number for each class.
quant::NetworkInfo build_network(const NetworkDescription& description, quant::Shape input, int classes,
                                 Joins joins = Joins::fp32);

}  // namespace bitsmith::trainer
