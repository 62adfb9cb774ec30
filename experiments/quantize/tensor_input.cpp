#include "experiments/quantize/tensor_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string_view>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/npy.hpp"

namespace bitsmith::experiments {
namespace {

namespace hdf5 = base::hdf5;

/// The file, and what is named after a colon, where the whole is no file.
std::pair<std::string, std::string> split_name(const std::string& text, const std::string& dataset) {
  std::error_code ignored;
  const std::size_t colon = text.rfind(':');
  if (!dataset.empty() || colon == std::string::npos || std::filesystem::exists(text, ignored))
    return {text, dataset};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::string choose(const std::string& file, const std::vector<std::string>& names,
                   const std::string& wanted) {
  if (names.empty()) throw base::UserError(fmt::format("{}: holds no array of numbers", file));
  if (wanted.empty()) {
    if (names.size() == 1) return names.front();
    throw base::UserError(fmt::format("{}: holds {} arrays, name one with --dataset: {}", file, names.size(),
                                      base::join_names(names)));
  }
  if (std::ranges::find(names, wanted) != names.end()) return wanted;
  throw base::UserError(fmt::format("{}: has no array '{}'{}; it has {}", file, wanted,
                                    base::did_you_mean(wanted, names), base::join_names(names)));
}

std::vector<std::int64_t> signed_shape(const std::vector<std::uint64_t>& shape) {
  return {shape.begin(), shape.end()};
}

/// Doubles that float32 cannot hold are told of by encode(), which knows their places.
std::vector<float> rounded(const std::vector<double>& values) {
  constexpr double kMost = std::numeric_limits<float>::max();
  std::vector<float> floats;
  floats.reserve(values.size());
  for (const double value : values)
    floats.push_back(
        static_cast<float>(value > kMost || value < -kMost ? std::clamp(value, -kMost, kMost) : value));
  return floats;
}

TensorInput from_npy(const base::NpyArray& array) {
  if (array.kind != base::NpyArray::Kind::floating)
    throw base::UserError(
        fmt::format("{}: holds integers; what is quantized is float32 or float64", array.source));
  TensorInput tensor;
  tensor.source = array.source;
  tensor.shape = signed_shape(array.shape);
  if (array.item_bytes == sizeof(float)) {
    tensor.floats = array.floats();
  } else {
    tensor.doubles = array.doubles();
    tensor.floats = rounded(tensor.doubles);
  }
  return tensor;
}

bool is_tensor(const hdf5::File& file, const std::string& path) try {
  const auto type = file.type(path);
  return type == hdf5::ElementType::float32 || type == hdf5::ElementType::float64;
} catch (const base::UserError&) {
  return false;  // a link to nothing, a named type
}

/// Depth first. Links may make circles, and files may be hostile: what lies deep, or behind very many
/// objects, is found by name only.
void list_datasets(const hdf5::File& file, const std::string& group, int depth, int& left,
                   std::vector<std::string>& names) {
  constexpr int kDeepest = 8;
  for (const std::string& child : file.children(group.empty() ? "/" : group)) {
    if (--left < 0) return;
    const std::string path = group.empty() ? child : group + "/" + child;
    if (file.is_group(path)) {
      if (depth < kDeepest) list_datasets(file, path, depth + 1, left, names);
    } else if (is_tensor(file, path)) {
      names.push_back(path);
    }
  }
}

std::string choose_dataset(const hdf5::File& file, const std::string& path, std::string wanted) {
  if (wanted.starts_with('/')) wanted.erase(0, 1);
  if (!wanted.empty() && file.exists(wanted) && !file.is_group(wanted)) {
    if (is_tensor(file, wanted)) return wanted;
    throw base::UserError(fmt::format("{}: '{}' is no dataset of float32 or float64 numbers", path, wanted));
  }
  std::vector<std::string> names;
  int left = 2000;
  list_datasets(file, "", 0, left, names);
  if (names.empty())
    throw base::UserError(fmt::format("{}: holds no dataset of float32 or float64 numbers", path));
  return choose(path, names, wanted);
}

TensorInput from_hdf5(const std::string& path, const std::string& wanted) {
  const hdf5::File file = hdf5::File::open(path);
  const std::string dataset = choose_dataset(file, path, wanted);
  TensorInput tensor;
  tensor.source = fmt::format("{}: {}", path, dataset);
  if (file.type(dataset) == hdf5::ElementType::float32) {
    auto array = file.read<float>(dataset);
    tensor.shape = signed_shape(array.extents);
    tensor.floats = std::move(array.values);
  } else {
    auto array = file.read<double>(dataset);
    tensor.shape = signed_shape(array.extents);
    tensor.doubles = std::move(array.values);
    tensor.floats = rounded(tensor.doubles);
  }
  return tensor;
}

TensorInput from_npz(const std::string& path, const std::string& dataset) {
  const auto arrays = base::read_npz(path);
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  return from_npy(arrays.at(choose(path, names, dataset)));
}

}  // namespace

std::string tensor_file(const std::string& text, const std::string& dataset) {
  return split_name(text, dataset).first;
}

TensorInput read_tensor(const std::string& text, const std::string& dataset) {
  const auto [file, name] = split_name(text, dataset);
  if (file.ends_with(".npz")) return from_npz(file, name);
  if (file.ends_with(".h5") || file.ends_with(".hdf5")) return from_hdf5(file, name);
  if (!file.ends_with(".npy"))
    throw base::UserError(fmt::format("{}: what is it? Tensors come from .npy, .npz, .h5 and .hdf5", file));
  if (!name.empty())
    throw base::UserError(fmt::format("{}: a .npy file is one array; it has no '{}'", file, name));
  return from_npy(base::read_npy(file));
}

}  // namespace bitsmith::experiments
