#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "quant/network_info.hpp"

namespace bitsmith::hwmodels {

/// Layers by themselves, one a line:
///
///     name kind in_ch out_ch in_hw kernel stride groups
///
/// separated by blanks or tabs; '#' begins a comment. `kind` is conv (square images and windows, padded by
/// kernel / 2; depthwise where groups are all channels) or fc (in_hw, kernel, stride and groups are 1).
/// Returned is a network for each, of the layer's name: a ReLU, so that the layer reads what cannot be
/// negative, and the layer, with a bias. Throws UserError that names every line that is not such a layer as
/// `source`:line, a name that was there before, or a list without layers.
std::vector<quant::NetworkInfo> parse_layer_list(std::string_view text, const std::string& source);

/// The list in a file. Throws UserError also when it cannot be read.
std::vector<quant::NetworkInfo> read_layer_list(const std::filesystem::path& file);

}  // namespace bitsmith::hwmodels
