#include "hwmodels/subjects.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "quant/base/error.hpp"
#include "quant/base/random.hpp"
#include "quant/quantizer.hpp"

namespace bitsmith::hwmodels {
namespace {

constexpr std::size_t kAlignment = 4096;
constexpr std::int64_t kMaxCopies = 32;

class LayerSubject : public Subject {
 public:
  LayerSubject(const Candidate& candidate, Activations& activations, std::int64_t cold_bytes,
               std::uint64_t seed) {
    const quant::Step& step = candidate.step;
    const quant::LayerInfo& layer = candidate.layer();
    base::Rng rng(seed);
    const quant::LayerNumbers numbers = quant::random_numbers(*candidate.network, step, rng);
    const auto prepare = [&] {
      return candidate.row->prepare(layer, step.bits, step.from, step.to, candidate.key.batch, numbers);
    };
    warm_ = prepare();
    const std::int64_t bytes = std::max<std::int64_t>(1, warm_->weight_bytes());
    const auto copies = static_cast<std::size_t>(std::clamp<std::int64_t>(cold_bytes / bytes, 1, kMaxCopies));
    while (copies_.size() < copies) copies_.push_back(prepare());
    in_ = activations.input(step.from, step.bits.activation);
    out_ = activations.output();
  }
  void run() override { warm_->run(in_, out_); }
  int cold_copies() const override { return static_cast<int>(copies_.size()); }
  void run_cold(int copy) override { copies_[static_cast<std::size_t>(copy)]->run(in_, out_); }

 private:
  std::unique_ptr<quant::PreparedKernel> warm_;
  std::vector<std::unique_ptr<quant::PreparedKernel>> copies_;
  const void* in_;
  void* out_;
};

class StepSubject : public Subject {
 public:
  StepSubject(const Candidate& candidate, Activations& activations)
      : step_(quant::prepare_step(candidate.step, candidate.key.batch, quant::plain_numbers(candidate.step))),
        in_(activations.input(candidate.step.from, 8)),
        second_(candidate.step.second != quant::Step::kNothing
                    ? activations.input(candidate.step.second_from, 7)
                    : nullptr),
        out_(activations.output()) {}
  void run() override { step_->run(in_, second_, out_); }

 private:
  std::unique_ptr<quant::PreparedStep> step_;
  const void* in_;
  const void* second_;  // a buffer of its own: the same numbers twice would be read once
  void* out_;
};

}  // namespace

void Activations::Free::operator()(void* memory) const { std::free(memory); }

void Activations::reserve(std::int64_t elements) {
  base::require(inputs_.empty() && !output_, "activations: reserve comes before use");
  elements_ = std::max(elements_, elements);
}

Activations::Buffer Activations::allocate() const {
  const std::size_t bytes = static_cast<std::size_t>(elements_) * sizeof(float);
  auto* memory =
      static_cast<std::byte*>(std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment));
  if (memory == nullptr) throw std::bad_alloc();
  std::fill_n(memory, bytes, std::byte{0});  // every page is there before the first sample
  return Buffer(memory);
}

const void* Activations::input(quant::Storage storage, int bits) {
  Buffer& buffer = inputs_[{storage, bits}];
  if (buffer) return buffer.get();
  buffer = allocate();
  base::Rng rng(base::derive_seed(seed_, "activations", static_cast<std::uint64_t>(bits)));
  const auto count = static_cast<std::size_t>(elements_);
  if (storage == quant::Storage::f32) {
    auto* values = reinterpret_cast<float*>(buffer.get());
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(rng.uniform(-1, 1));
  } else {
    const quant::IntegerRange range = quant::integer_range(bits, storage == quant::Storage::s8);
    for (std::size_t i = 0; i < count; ++i)
      buffer[i] = static_cast<std::byte>(range.low +
                                         static_cast<int>(rng.below(static_cast<unsigned>(range.levels()))));
  }
  return buffer.get();
}

void* Activations::output() {
  if (!output_) output_ = allocate();
  return output_.get();
}

std::unique_ptr<Subject> make_subject(const Candidate& candidate, Activations& activations,
                                      std::int64_t cold_bytes, std::uint64_t seed) {
  if (candidate.row == nullptr) return std::make_unique<StepSubject>(candidate, activations);
  return std::make_unique<LayerSubject>(candidate, activations, cold_bytes, seed);
}

}  // namespace bitsmith::hwmodels
