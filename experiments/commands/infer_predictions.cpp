#include "experiments/commands/infer_predictions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace bitsmith::experiments {

namespace {

std::string quoted(const std::string& text) {
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + '"';
}

}  // namespace

std::string predictions_csv(const trainer::DataPart& images, std::span<const float> logits,
                            std::size_t classes) {
  const std::vector<std::string>& names = images.class_names();
  std::string csv = "image,class,probability\r\n";
  for (std::size_t n = 0; n * classes < logits.size(); ++n) {
    const std::span<const float> row = logits.subspan(n * classes, classes);
    const auto likeliest = std::ranges::max_element(row);
    const auto label = static_cast<std::size_t>(likeliest - row.begin());
    double sum = 0.0;
    for (const float logit : row)
      sum += std::exp(static_cast<double>(logit) - static_cast<double>(*likeliest));
    csv += fmt::format("{},{},{:.6f}\r\n", quoted(images.image_name(static_cast<std::int64_t>(n))),
                       label < names.size() ? quoted(names[label]) : std::to_string(label), 1.0 / sum);
  }
  return csv;
}

}  // namespace bitsmith::experiments
