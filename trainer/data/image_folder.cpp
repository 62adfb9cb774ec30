#include "trainer/data/image_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "quant/base/error.hpp"
#include "quant/base/nearest.hpp"
#include "quant/base/printable.hpp"

namespace bitsmith::trainer {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kMostClasses = 100'000, kMostImages = std::size_t{1} << 30;

std::string shown(const fs::path& path) { return base::printable(path.string()); }

/// What is in a folder, hidden names left out, sorted.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> entries;
  fs::directory_iterator at(folder, code);
  for (; !code && at != fs::directory_iterator(); at.increment(code))
    if (const fs::path& path = at->path(); !path.filename().native().starts_with('.'))
      entries.push_back(path);
  if (code)
    throw base::UserError(fmt::format("{}: cannot read the folder: {}", shown(folder), code.message()));
  std::ranges::sort(entries, {}, [](const fs::path& path) { return path.native(); });
  return entries;
}

bool is_folder(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

/// By the class folder's name, in the order of the bytes: the images of all folders.
std::map<std::string, std::vector<fs::path>> images_by_class(std::span<const std::string> folders) {
  std::map<std::string, std::vector<fs::path>> found;
  for (const std::string& folder : folders) {
    bool has_classes = false;
    for (const fs::path& class_folder : entries_of(folder)) {
      if (!is_folder(class_folder)) continue;
      has_classes = true;
      auto& images = found[class_folder.filename().native()];
      for (const fs::path& image : entries_of(class_folder)) {
        if (is_folder(image))
          throw base::UserError(
              fmt::format("{}: a folder in the folder of a class, which holds images alone", shown(image)));
        images.push_back(image);
      }
    }
    if (!has_classes)
      throw base::UserError(fmt::format(
          "{}: has no folders in it; expected one per class, with its PNG or JPEG images", shown(folder)));
    if (found.size() > kMostClasses)
      throw base::UserError(
          fmt::format("{}: {} class folders, allowed are {}", shown(folder), found.size(), kMostClasses));
  }
  return found;
}

void refuse_empty(const std::map<std::string, std::vector<fs::path>>& found,
                  std::span<const std::string> folders) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> empty;
  for (const auto& [name, images] : found)
    if (images.empty()) empty.push_back(base::printable(name));
  if (empty.empty()) return;
  const std::size_t more = empty.size() - std::min(empty.size(), kShown);
  empty.resize(empty.size() - more);
  throw base::UserError(fmt::format("{}: class folders without images: {}{}", shown(folders.front()),
                                    base::join_names(empty),
                                    more > 0 ? fmt::format(" and {} more", more) : std::string()));
}

}  // namespace

bool has_class_folders(std::span<const std::string> folders) {
  return std::ranges::any_of(
      folders, [](const std::string& folder) { return std::ranges::any_of(entries_of(folder), is_folder); });
}

ImageFolder list_images(std::span<const std::string> folders) {
  ImageFolder listed;
  for (const std::string& folder : folders) {
    const std::vector<fs::path> images = entries_of(folder);
    if (images.empty()) throw base::UserError(fmt::format("{}: holds no images", shown(folder)));
    listed.files.insert(listed.files.end(), images.begin(), images.end());
  }
  listed.labels.assign(listed.files.size(), 0);
  return listed;
}

ImageFolder list_class_folders(std::span<const std::string> folders,
                               const std::vector<std::string>& classes) {
  const auto found = images_by_class(folders);
  refuse_empty(found, folders);
  ImageFolder listed;
  listed.classes = classes;
  if (classes.empty())
    for (const auto& [name, images] : found) listed.classes.push_back(base::printable(name));
  if (listed.classes.size() < 2)
    throw base::UserError(fmt::format("{}: one class folder, '{}', but at least two are needed",
                                      shown(folders.front()), listed.classes.front()));
  std::map<std::string, int> label_of;
  for (std::size_t i = 0; i < listed.classes.size(); ++i) label_of[listed.classes[i]] = static_cast<int>(i);

  struct Image {
    std::size_t position;  ///< in its class
    int label;
    const fs::path* path;
  };
  std::vector<Image> order;
  for (const auto& [name, images] : found) {
    const std::string printed = base::printable(name);
    const auto label = label_of.find(printed);
    if (label == label_of.end())
      throw base::UserError(
          fmt::format("{}: class folder '{}' is not among the {} classes of the training images{}",
                      shown(images.front().parent_path()), printed, listed.classes.size(),
                      base::did_you_mean(printed, listed.classes)));
    for (std::size_t k = 0; k < images.size(); ++k) order.push_back({k, label->second, &images[k]});
  }
  if (order.size() > kMostImages)
    throw base::UserError(
        fmt::format("{}: {} images, allowed are {}", shown(folders.front()), order.size(), kMostImages));
  std::ranges::sort(order, {}, [](const Image& image) { return std::pair(image.position, image.label); });
  for (const Image& image : order) {
    listed.files.push_back(*image.path);
    listed.labels.push_back(image.label);
  }
  return listed;
}

}  // namespace bitsmith::trainer
