#include "trainer/data/fashion_mnist.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "quant/base/error.hpp"
#include "trainer/data/idx.hpp"

namespace bitsmith::trainer {
namespace {
namespace fs = std::filesystem;

std::string find_file(const fs::path& folder, const std::string& name) {
  std::error_code code;
  for (const char* ending : {".gz", ""})
    if (fs::path path = folder / (name + ending); fs::exists(path, code)) return path.string();
  throw base::UserError(fmt::format(
      "{}: no {}.gz there; install Fashion-MNIST with `apt-get install dataset-fashion-mnist`, or name its "
      "folder in the environment variable FASHION_MNIST_DIR",
      folder.string(), name));
}

}  // namespace

Dataset load_fashion_mnist(std::span<const std::string> files, const ReadOptions& options) {
  if (!files.empty())
    throw base::UserError(
        fmt::format("format fashion_mnist finds its files by itself, but {} is named; use format idx for "
                    "files of your own",
                    files[0]));
  const char* named = std::getenv("FASHION_MNIST_DIR");
  const fs::path folder = named != nullptr && *named != '\0' ? named : "/usr/share/datasets/fashion-mnist";
  const std::string prefix = options.role == DataRole::train ? "train" : "t10k";
  const std::string pair[] = {find_file(folder, prefix + "-images-idx3-ubyte"),
                              find_file(folder, prefix + "-labels-idx1-ubyte")};
  Dataset dataset = load_idx(pair, options);
  dataset.classes = 10;
  return dataset;
}

}  // namespace bitsmith::trainer
