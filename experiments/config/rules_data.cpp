#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "experiments/config/rule_list.hpp"

namespace bitsmith::experiments {

void check_data(Rules& rules, const trainer::DataOptions& data) {
  using trainer::DataFormat;
  const auto needs = [&](const std::string& key, const std::vector<std::string>& files) {
    const std::string path = "data." + key;
    const std::size_t count = files.size();
    switch (data.format) {
      case DataFormat::fashion_mnist:
        rules.require(count == 0 || count == 2, {path, "data.format"},
                      fmt::format("got {} files as {}; give two, images and labels, or leave the key out",
                                  count, path));
        break;
      case DataFormat::idx:
        rules.require(
            count == 2, {path, "data.format"},
            fmt::format("got {} files as {}; format idx needs two, images and labels", count, path));
        break;
      case DataFormat::cifar10:
        rules.require(count > 0, {path, "data.format"},
                      fmt::format("got no files as {}; format cifar10 needs at least one batch file", path));
        break;
      case DataFormat::folder:
        rules.require(count > 0, {path, "data.format"},
                      fmt::format("got no folders as {}; format folder needs at least one", path));
        break;
      case DataFormat::numpy:
        rules.require(
            count == 1 || count == 2, {path, "data.format"},
            fmt::format("got {} files as {}; format numpy needs two .npy, images and labels, or one "
                        ".npz of both",
                        count, path));
        break;
      case DataFormat::hdf5:
        rules.require(count == 1, {path, "data.format"},
                      fmt::format("got {} files as {}; format hdf5 needs one", count, path));
        break;
    }
  };
  needs("train_files", data.train_files);
  needs("test_files", data.test_files);
  rules.require(data.layout == trainer::ArrayLayout::nchw || data.format == DataFormat::numpy,
                {"data.layout", "data.format"},
                "belongs to format numpy; the layout of other formats is known, remove data.layout");
  const auto &resize = data.preprocessing.resize, &crop = data.preprocessing.crop;
  // One size is the shorter side, and the crop's shorter side has to fit there.
  const bool fits = resize.empty() || crop.empty() ||
                    (resize.size() == 1 ? std::min(crop.front(), crop.back()) <= resize.front()
                                        : crop.front() <= resize.front() && crop.back() <= resize.back());
  rules.require(fits, {"data.crop", "data.resize"},
                fmt::format("[{}] is larger than what data.resize, [{}], leaves; crop at most that",
                            fmt::join(crop, ", "), fmt::join(resize, ", ")));
  rules.require(
      data.mean.size() == data.deviation.size(), {"data.deviation", "data.mean"},
      fmt::format(
          "got {} and {} values for data.mean and data.deviation; give both, one value per channel, or "
          "neither",
          data.mean.size(), data.deviation.size()));
}

}  // namespace bitsmith::experiments
