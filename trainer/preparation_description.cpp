#include "trainer/preparation_description.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "quant/base/error.hpp"

namespace bitsmith::trainer {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kColors[] = {"stored", "gray", "rgb"};
constexpr std::size_t kMostClasses = 100'000;

std::vector<int> sides_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  std::vector<int> sides;
  if (found->is_array() && !found->empty() && found->size() <= 2)
    for (const Json& side : *found)
      if (side.is_number_unsigned() && side.get<std::uint64_t>() >= 1 &&
          side.get<std::uint64_t>() <= static_cast<std::uint64_t>(kLargestSide))
        sides.push_back(side.get<int>());
  if (sides.empty() || sides.size() != found->size())
    throw base::UserError(fmt::format("{}: not one or two numbers, 1 to {}", key, kLargestSide));
  return sides;
}

ImageColor color_of(const Json& json) {
  const auto found = json.find("color");
  if (found == json.end()) return ImageColor::stored;
  if (*found == "gray") return ImageColor::gray;
  if (*found == "rgb") return ImageColor::rgb;
  throw base::UserError("color: neither gray nor rgb");
}

std::vector<std::string> classes_of(const Json& json) {
  const auto found = json.find("classes");
  if (found == json.end()) return {};
  if (!found->is_array() || found->empty() || found->size() > kMostClasses)
    throw base::UserError(fmt::format("classes: not a list of 1 to {} names", kMostClasses));
  std::vector<std::string> names;
  for (const Json& name : *found) {
    if (!name.is_string()) throw base::UserError("classes: a name that is no text");
    names.push_back(name.get<std::string>());
  }
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size())
    throw base::UserError("classes: a name that is there twice");
  return names;
}

}  // namespace

void write_preparation(const InputForm& form, Json& json) {
  const Preprocessing& preprocessing = form.preprocessing;
  if (preprocessing.color != ImageColor::stored)
    json["color"] = kColors[static_cast<std::size_t>(preprocessing.color)];
  if (!preprocessing.resize.empty()) json["resize"] = preprocessing.resize;
  if (!preprocessing.crop.empty()) json["crop"] = preprocessing.crop;
  if (!form.class_names.empty()) json["classes"] = form.class_names;
}

void read_preparation(const Json& json, InputForm& form) {
  form.preprocessing = {color_of(json), sides_of(json, "resize"), sides_of(json, "crop")};
  form.class_names = classes_of(json);
}

}  // namespace bitsmith::trainer
