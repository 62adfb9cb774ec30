#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace bitsmith::trainer {

/// The images in folders that have one sub-folder per class.
struct ImageFolder {
  std::vector<std::string> classes;  ///< names of the sub-folders, as base::printable shows them
  std::vector<std::filesystem::path> files;
  std::vector<int> labels;  ///< one per file
};

/// Classes are the sub-folders of all `folders`, sorted by the bytes of their names, or `classes` where these
/// are given. Files of a class are sorted likewise, folder by folder. The order is the first image of every
/// class, then the second ones and so on, so that the first images are a sample of all classes. Names that
/// begin with a dot are left out, as are files beside the class folders; links are followed. Nothing is
/// opened.
///
/// Throws UserError (which path): a folder that cannot be read, one without class folders, class folders
/// without images or with folders in them, a class that is not among the given ones, fewer than two classes.
ImageFolder list_image_folder(std::span<const std::string> folders, const std::vector<std::string>& classes);

}  // namespace bitsmith::trainer
