#include "search/journal_line.hpp"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "quant/base/error.hpp"
#include "quant/base/hash.hpp"

namespace bitsmith::search {
namespace {

using nlohmann::json;

constexpr std::string_view kBefore = R"({"checksum":")", kBetween = R"(","record":)", kAfter = "}";
constexpr std::size_t kDigits = 16;

std::string checksum(std::string_view text) {
  base::Hasher hasher;
  hasher.add(text);
  return hasher.hex();
}

std::string line(const nlohmann::ordered_json& record) {
  const std::string text = record.dump();
  std::string line;
  line.append(kBefore).append(checksum(text)).append(kBetween).append(text).append(kAfter).append("\n");
  return line;
}

json bits_of(const quant::Policy& policy) {
  json layers = json::array();
  for (quant::LayerFormats formats : policy.layers)
    layers.push_back({formats.weight.code(), formats.activation.code()});
  return layers;
}

quant::Policy policy_of(const json& layers) {
  quant::Policy policy;
  for (const json& bits : layers) {
    if (bits.size() != 2) throw base::UserError("a layer without its two bits");
    const auto weight = quant::format_of_code(bits.at(0).get<int>());
    const auto activation = quant::format_of_code(bits.at(1).get<int>());
    if (!weight || !activation) throw base::UserError("a layer in a format that this program does not know");
    policy.layers.push_back({*weight, *activation});
  }
  return policy;
}

// JSON has no NaN; the evaluator's "not known" is one.
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

std::string header_line(const std::string& identity) {
  return line({{"journal", "bitsmith search"}, {"version", 1}, {"identity", identity}});
}

std::string record_line(const EpisodeRecord& record) {
  base::require(std::isfinite(record.reward), "an episode's reward is not finite");
  return line({{"episode", record.episode},
               {"proposed", bits_of(record.proposed)},
               {"policy", bits_of(record.policy)},
               {"accuracy", number(record.evaluation.accuracy)},
               {"cross_entropy", number(record.evaluation.cross_entropy)},
               {"reward", record.reward},
               {"costs", record.costs},
               {"cached", record.cached}});
}

std::string_view checked_record(std::string_view line) {
  const std::size_t before = kBefore.size() + kDigits + kBetween.size();
  if (line.size() <= before + kAfter.size() || !line.starts_with(kBefore) || !line.ends_with(kAfter))
    return {};
  if (line.substr(kBefore.size() + kDigits, kBetween.size()) != kBetween) return {};
  const std::string_view record = line.substr(before, line.size() - before - kAfter.size());
  return checksum(record) == line.substr(kBefore.size(), kDigits) ? record : std::string_view();
}

EpisodeRecord parse_record(std::string_view text) {
  try {
    const json object = json::parse(text);
    EpisodeRecord record;
    record.episode = object.at("episode").get<int>();
    record.proposed = policy_of(object.at("proposed"));
    record.policy = policy_of(object.at("policy"));
    record.evaluation.accuracy = object.at("accuracy").get<double>();
    const json& cross_entropy = object.at("cross_entropy");
    record.evaluation.cross_entropy =
        cross_entropy.is_null() ? std::numeric_limits<double>::quiet_NaN() : cross_entropy.get<double>();
    record.reward = object.at("reward").get<double>();
    record.costs = object.at("costs").get<std::vector<double>>();
    record.cached = object.at("cached").get<bool>();
    return record;
  } catch (const json::exception& error) {
    throw base::UserError(error.what());
  }
}

}  // namespace bitsmith::search
