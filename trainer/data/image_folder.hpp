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
ImageFolder list_class_folders(std::span<const std::string> folders, const std::vector<std::string>& classes);

/// Whether one of the folders has a folder in it.
bool has_class_folders(std::span<const std::string> folders);

/// The images that lie in the folders themselves, folder by folder, sorted by the bytes of their names;
/// labels are 0, and there are no classes. Throws UserError for a folder that cannot be read or has no files.
ImageFolder list_images(std::span<const std::string> folders);

}  // namespace bitsmith::trainer
