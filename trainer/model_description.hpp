#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "quant/network_info.hpp"
#include "trainer/deployed_model.hpp"

namespace bitsmith::trainer {

/// The order of a window's numbers.
inline constexpr std::array kWindowFields = {&quant::Window::kernel_h,   &quant::Window::kernel_w,
                                             &quant::Window::stride_h,   &quant::Window::stride_w,
                                             &quant::Window::dilation_h, &quant::Window::dilation_w,
                                             &quant::Window::pad_top,    &quant::Window::pad_left,
                                             &quant::Window::pad_bottom, &quant::Window::pad_right};

/// The arrays of a model file, one after the other, each at a multiple of kAlignment.
class NumberStore {
 public:
  static constexpr std::uint64_t kAlignment = 64;

  /// Where it now begins.
  std::uint64_t add(std::string_view array);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// The JSON of a model file (see model_file.hpp); the arrays go to `numbers`.
std::string describe_model(const DeployedModel& model, NumberStore& numbers);

/// The reverse. Throws UserError for whatever contradicts itself or is out of range; reads nothing outside
/// `numbers`.
DeployedModel model_of_description(std::string_view description, std::string_view numbers);

}  // namespace bitsmith::trainer
