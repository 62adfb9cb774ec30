#include "quant/base/hdf5.hpp"

#include <fmt/format.h>
#include <hdf5_hl.h>

#include "quant/base/file.hpp"
#include "quant/base/hdf5_handle.hpp"
#include "quant/base/hdf5_image.hpp"
#include "quant/base/hdf5_seal.hpp"

namespace bitsmith::base::hdf5 {
namespace fs = std::filesystem;
namespace {

Id ordered_group_properties(hid_t kind) {
  Id properties(H5Pcreate(kind), H5Pclose);
  H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_obj_track_times(properties, false);
  return properties;
}

}  // namespace

File File::create(const fs::path& path) {
  const Lock lock;
  auto image = std::make_unique<Image>();
  // HDF5 takes two files of one name for the same file, even when both live in memory.
  static std::uint64_t count = 0;
  const std::string name = fmt::format("image {}", count++);
  const Id creation = ordered_group_properties(H5P_FILE_CREATE);
  const hid_t id =
      checked(H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation, image->access()), path, "create", "");
  return File(id, path, std::move(image));
}

File File::open(const fs::path& path) {
  const Lock lock;
  std::error_code code;
  const auto status = fs::status(path, code);
  if (!fs::exists(status)) fail(path, "open", "", "no such file");
  if (!fs::is_regular_file(status)) fail(path, "open", "", "is not a regular file");
  check_seal(path);
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id < 0)
    fail(path, "open", "", fmt::format("not an HDF5 file, or a damaged one ({})", library_reason()));
  return File(id, path, nullptr);
}

File::File(std::int64_t id, fs::path path, std::unique_ptr<Image> image)
    : id_(id), path_(std::move(path)), image_(std::move(image)) {}

File::File(File&& other) noexcept
    : id_(std::exchange(other.id_, -1)), path_(std::move(other.path_)), image_(std::move(other.image_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(id_, other.id_);
  std::swap(path_, other.path_);
  std::swap(image_, other.image_);
  return *this;
}

File::~File() {
  if (id_ < 0) return;
  const Lock lock;
  H5Fclose(id_);
  H5Eclear2(H5E_DEFAULT);
}

void File::close() {
  if (id_ < 0) return;
  {
    const Lock lock;
    checked(H5Fclose(std::exchange(id_, -1)), path_, "close", "");
  }
  if (image_) {
    std::string content(image_->bytes());
    content += seal(content);
    replace_file(path_, content);
  }
  image_.reset();
}

bool File::exists(const std::string& object) const {
  const Lock lock;
  // H5Lexists looks at the last component only, so every prefix is asked for in turn.
  for (std::size_t end = 0; end < object.size();) {
    end = std::min(object.find('/', end + 1), object.size());
    const std::string prefix = object.substr(0, end);
    if (prefix.find_first_not_of('/') == std::string::npos) continue;
    if (H5Lexists(id_, prefix.c_str(), H5P_DEFAULT) <= 0 ||
        H5Oexists_by_name(id_, prefix.c_str(), H5P_DEFAULT) <= 0) {
      H5Eclear2(H5E_DEFAULT);
      return false;
    }
  }
  return true;
}

bool File::is_group(const std::string& object) const {
  const Lock lock;
  return exists(object) && H5Iget_type(open_object(id_, path_, object)) == H5I_GROUP;
}

std::vector<std::string> File::children(const std::string& group) const {
  const Lock lock;
  const Id id = open_object(id_, path_, group);
  H5G_info_t info;
  checked(H5Gget_info(id, &info), path_, "list", group);
  unsigned order = 0;
  const Id properties(H5Gget_create_plist(id), H5Pclose);
  H5Pget_link_creation_order(properties, &order);
  const H5_index_t index = (order & H5P_CRT_ORDER_INDEXED) ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
  std::vector<std::string> names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto ask = [&](char* into, std::size_t size) {
      return checked(H5Lget_name_by_idx(id, ".", index, H5_ITER_INC, i, into, size, H5P_DEFAULT), path_,
                     "list", group);
    };
    std::string name(static_cast<std::size_t>(ask(nullptr, 0)), '\0');
    ask(name.data(), name.size() + 1);
    names.push_back(std::move(name));
  }
  return names;
}

void File::make_group(const std::string& group) {
  const Lock lock;
  if (is_group(group)) return;
  const Id links = link_properties(), creation = ordered_group_properties(H5P_GROUP_CREATE);
  // Intermediate groups would not inherit the creation order, so parents are made one by one.
  make_parent(group);
  const Id id(
      checked(H5Gcreate2(id_, group.c_str(), links, creation, H5P_DEFAULT), path_, "make the group", group),
      H5Gclose);
}

void File::make_parent(const std::string& object) {
  const auto slash = object.find_last_of('/');
  if (slash != std::string::npos && slash > 0) make_group(object.substr(0, slash));
}

void File::make_scale(const std::string& dataset, const std::string& scale_name) {
  const Lock lock;
  const Dataset opened(id_, path_, dataset);
  checked(H5DSset_scale(opened.id, scale_name.c_str()), path_, "make a dimension scale of", dataset);
}

void File::attach_scale(const std::string& dataset, int axis, const std::string& scale) {
  const Lock lock;
  const Dataset opened(id_, path_, dataset), scale_opened(id_, path_, scale);
  checked(H5DSattach_scale(opened.id, scale_opened.id, static_cast<unsigned>(axis)), path_,
          "attach a dimension scale to", dataset);
}

void write_file(const fs::path& path, const std::function<void(File&)>& fill) {
  File file = File::create(path);
  fill(file);
  file.close();
}

}  // namespace bitsmith::base::hdf5
