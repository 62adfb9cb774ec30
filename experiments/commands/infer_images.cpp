#include "experiments/commands/infer_images.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "trainer/data/loader.hpp"

namespace bitsmith::experiments {

namespace {

trainer::DataFormat format_named(const std::string& name) {
  std::vector<std::string> names;
  for (const trainer::DataLoader& loader : trainer::data_loaders()) {
    if (loader.name == name) return loader.format;
    names.emplace_back(loader.name);
  }
  throw base::UserError(fmt::format("infer: there is no data format '{}'{}; allowed: {}", name,
                                    base::did_you_mean(name, names), fmt::join(names, ", ")));
}

/// By what is given: no files, a folder, or files whose names tell.
trainer::DataFormat guess_format(const std::string& first) {
  const auto ends_with = [&](const char* ending) { return first.ends_with(ending); };
  std::error_code code;
  if (first == "fashion_mnist") return trainer::DataFormat::fashion_mnist;
  if (std::filesystem::is_directory(first, code)) return trainer::DataFormat::folder;
  if (ends_with(".npy") || ends_with(".npz")) return trainer::DataFormat::numpy;
  if (ends_with(".h5") || ends_with(".hdf5")) return trainer::DataFormat::hdf5;
  if (ends_with(".bin")) return trainer::DataFormat::cifar10;
  return trainer::DataFormat::idx;
}

trainer::Normalization normalization_of(const trainer::DeployedModel& model, const trainer::Dataset& images,
                                        const std::string& path) {
  const trainer::Normalization& given = model.input.normalization;
  const auto channels = static_cast<std::size_t>(images.shape().channels);
  if (given.mean.empty()) return {std::vector<double>(channels, 0.0), std::vector<double>(channels, 1.0)};
  if (given.mean.size() != channels)
    throw base::UserError(fmt::format("{}: images of {} channels, but {} takes {}", images.source, channels,
                                      path, given.mean.size()));
  return given;
}

}  // namespace

void add_infer_images_options(CLI::App& command, InferImages& images) {
  command
      .add_option(
          "data", images.data,
          "of a .bsm: fashion_mnist; a folder of PNG and JPEG files, or of a folder of them per class; .npy "
          "images and, if known, .npy labels, or one .npz of both; an HDF5 file; CIFAR-10 .bin files; or "
          "IDX images and IDX labels")
      ->type_name("DATA");
  command
      .add_option("--format", images.format,
                  "fashion_mnist, idx, cifar10, hdf5, folder or numpy; default: by the name")
      ->type_name("NAME");
  command.add_option("--layout", images.layout, "of NumPy images: nchw (default) or nhwc")
      ->check(CLI::IsMember({"nchw", "nhwc"}));
}

trainer::DataPart load_images(const InferImages& images, const trainer::DeployedModel& model,
                              const std::string& path) {
  const trainer::DataFormat format =
      images.format.empty() ? guess_format(images.data.front()) : format_named(images.format);
  std::vector<std::string> files = images.data;
  if (format == trainer::DataFormat::fashion_mnist) {
    if (files.size() > 1 || files.front() != "fashion_mnist")
      throw base::UserError(
          "infer: the format fashion_mnist finds its files by itself: DATA is fashion_mnist");
    files.clear();
  }
  const int classes = model.network.nodes.back().output.channels;
  trainer::Dataset dataset = trainer::load_dataset(
      format, files,
      {.role = trainer::DataRole::test,
       .classes = classes,
       .layout = images.layout == "nhwc" ? trainer::ArrayLayout::nhwc : trainer::ArrayLayout::nchw,
       .preprocessing = model.input.preprocessing,
       .class_names = model.input.class_names,
       .labels_may_lack = true,
       .keep_file_names = true});
  trainer::Normalization normalization = normalization_of(model, dataset, path);
  const std::string source = dataset.source;
  trainer::DataPart part(std::move(dataset), std::move(normalization), model.input.pad);
  const quant::Shape given = part.shape(), taken = model.network.nodes.front().output;
  if (given != taken)
    throw base::UserError(fmt::format(
        "{}: images of {} x {} x {} (channels, height, width; with the border), but {} takes {} x {} x {}",
        source, given.channels, given.height, given.width, path, taken.channels, taken.height, taken.width));
  if (part.classes() > classes)
    throw base::UserError(
        fmt::format("{}: {} classes, but {} tells {} apart", source, part.classes(), path, classes));
  return part;
}

}  // namespace bitsmith::experiments
