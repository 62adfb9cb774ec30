#include "trainer/data/split.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"

namespace bitsmith::trainer {
namespace {

// How many of each class, largest remainder method: sums to `count`.
std::vector<std::int64_t> quotas(const std::vector<std::vector<int>>& members, std::int64_t total,
                                 std::int64_t count) {
  std::vector<std::int64_t> quota, remainder;
  for (const auto& member : members) {
    const std::int64_t product = static_cast<std::int64_t>(member.size()) * count;
    quota.push_back(product / total);
    remainder.push_back(product % total);
  }
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  std::int64_t left = count - std::accumulate(quota.begin(), quota.end(), std::int64_t{0});
  for (std::size_t i = 0; left > 0; ++i, --left) ++quota[order[i]];
  return quota;
}

}  // namespace

std::vector<int> class_balanced_sample(std::span<const int> labels, std::span<const int> candidates,
                                       int classes, int count, std::uint64_t seed) {
  base::require(count >= 0 && static_cast<std::size_t>(count) <= candidates.size(),
                "sample larger than its population");
  if (static_cast<std::size_t>(count) == candidates.size()) return {candidates.begin(), candidates.end()};
  std::vector<std::vector<int>> members(static_cast<std::size_t>(classes));
  for (int index : candidates)
    members[static_cast<std::size_t>(labels[static_cast<std::size_t>(index)])].push_back(index);
  const auto quota = quotas(members, static_cast<std::int64_t>(candidates.size()), count);
  std::vector<int> sample;
  for (std::size_t c = 0; c < members.size(); ++c) {
    base::Rng rng(base::derive_seed(seed, "split", c));
    const auto order = rng.permutation(static_cast<int>(members[c].size()));
    for (std::int64_t i = 0; i < quota[c]; ++i)
      sample.push_back(members[c][static_cast<std::size_t>(order[static_cast<std::size_t>(i)])]);
  }
  std::sort(sample.begin(), sample.end());
  return sample;
}

Split split_by_class(std::span<const int> labels, int classes, int train_images, int validation_images,
                     std::uint64_t seed) {
  const auto total = static_cast<std::int64_t>(labels.size());
  if (validation_images < 1 || train_images < 0)
    throw base::UserError(
        fmt::format("validation_images: {}, train_images: {}: at least 1 and 0 (all) are allowed",
                    validation_images, train_images));
  if (validation_images >= total)
    throw base::UserError(
        fmt::format("validation_images: {} of the {} images in the training files leave none to train on",
                    validation_images, total));
  if (train_images > total - validation_images)
    throw base::UserError(
        fmt::format("train_images: {} and validation_images: {} are more than the {} images in the "
                    "training files",
                    train_images, validation_images, total));
  std::vector<int> all(labels.size()), rest;
  std::iota(all.begin(), all.end(), 0);
  Split split;
  split.validation = class_balanced_sample(labels, all, classes, validation_images, seed);
  std::set_difference(all.begin(), all.end(), split.validation.begin(), split.validation.end(),
                      std::back_inserter(rest));
  const int wanted = train_images > 0 ? train_images : static_cast<int>(rest.size());
  split.train = class_balanced_sample(labels, rest, classes, wanted, seed);
  return split;
}

}  // namespace bitsmith::trainer
