// The steady state of training allocates nothing: this program's allocations are counted, whoever asks for
// them. Bookkeeping of the thread pool and of oneDNN, below a kilobyte a piece, does not count.

#include <boost/test/unit_test.hpp>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "quant/base/cpu.hpp"
#include "tests/trainer/small_data.hpp"
#include "trainer/loss.hpp"
#include "trainer/networks/networks.hpp"
#include "trainer/optimizer.hpp"
#include "trainer/qat.hpp"
#include "trainer/tensor_source.hpp"
#include "trainer/training_loop.hpp"

namespace {

constexpr std::size_t kBookkeeping = 1024;  // bytes
std::atomic<long> large_allocations = 0;

void count(std::size_t bytes) {
  if (bytes > kBookkeeping) ++large_allocations;
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  count(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) {
  count(n * bytes);
  return __libc_calloc(n, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  count(bytes);
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t bytes) {
  count(bytes);
  *result = __libc_memalign(alignment, bytes);
  return *result == nullptr ? ENOMEM : 0;
}
}

namespace {

using namespace bitsmith;
using namespace bitsmith::trainer;

constexpr quant::Shape kShape{1, 12, 12};
constexpr int kClasses = 4;

struct Setting {
  const char* what;
  int bits;  ///< 32: not quantized
  Arithmetic arithmetic;
};
constexpr Setting kSettings[] = {
    {"fp32", 32, {ForwardArithmetic::fp32, BackwardArithmetic::fp32}},
    {"bf16", 32, {ForwardArithmetic::bf16, BackwardArithmetic::bf16}},
    {"quantized, fp32", 4, {ForwardArithmetic::fp32, BackwardArithmetic::fp32}},
    {"quantized, integers and bf16", 4, {ForwardArithmetic::integer, BackwardArithmetic::bf16}},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(allocation)

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  const long before = large_allocations;
  std::vector<float> some(4096, 1.0f);
  BOOST_TEST(large_allocations > before);
  BOOST_TEST(some.back() == 1.0f);
}

BOOST_AUTO_TEST_CASE(training_steps_and_evaluation_allocate_nothing_once_they_have_begun) {
  if (base::selected_isa() != base::Isa::avx512) return;
  const test::SmallData data = test::make_small_data(32, kShape, kClasses, 5);
  TensorSource source(data.images, data.labels, kClasses, 32);
  for (const char* name : {"resnet8", "mobilenet_v2_small"})
    for (const Setting& setting : kSettings) {
      Network network(build_network(name, kShape, kClasses), 1);
      if (setting.bits < 32) {
        const quant::QuantizationOptions options;
        const CalibrationTable table = calibrate(network, source, options);
        apply_policy(network, quant::uniform_policy(network.info(), {setting.bits, setting.bits}), table,
                     options);
      }
      network.set_arithmetic(setting.arithmetic);
      const auto optimizer = make_optimizer(TrainOptions{});
      Tensor images, gradient;
      std::vector<int> labels;
      const auto step = [&] {
        source.fill(0, images, labels);
        softmax_cross_entropy(network.forward(images, Mode::train), labels, 0.1, &gradient);
        network.backward(gradient);
        optimizer->step(network.parameters(), 0.01);
        network.forward(images, Mode::evaluate);
      };
      for (int i = 0; i < 3; ++i) step();
      const long before = large_allocations;
      for (int i = 0; i < 5; ++i) step();
      BOOST_TEST(large_allocations == before, name << ", " << setting.what);
    }
}

BOOST_AUTO_TEST_CASE(a_training_with_everything_on_allocates_nothing_between_the_steps_of_an_epoch) {
  if (base::selected_isa() != base::Isa::avx512) return;
  constexpr int kSteps = 12, kSettled = 5;
  const test::SmallData data = test::make_small_data(16 * kSteps, kShape, kClasses, 5);
  TensorSource source(data.images, data.labels, kClasses, 16);
  Network network(build_network("resnet8", kShape, kClasses), 1);
  Network teacher = network.clone();
  const quant::QuantizationOptions quantization;
  const CalibrationTable table = calibrate(network, source, quantization);
  apply_policy(network, quant::uniform_policy(network.info(), {4, 4}), table, quantization);
  TrainOptions options;
  options.epochs = 1;
  options.learning_rate = 0.01;
  options.ema = 0.99;
  options.clip_norm = 1.0;
  options.label_smoothing = 0.1;
  options.mixup = 0.2;
  options.distillation = 0.5;
  options.arithmetic = {ForwardArithmetic::integer, BackwardArithmetic::bf16};
  std::vector<long> counts;
  counts.reserve(kSteps);
  TrainHooks hooks;
  hooks.teacher = &teacher;
  hooks.after_step = [&](std::int64_t, double) { counts.push_back(large_allocations); };
  train(network, source, options, hooks);
  BOOST_REQUIRE(counts.size() == static_cast<std::size_t>(kSteps));
  BOOST_TEST(counts[kSteps - 1] == counts[kSettled]);
}

BOOST_AUTO_TEST_SUITE_END()

#endif
