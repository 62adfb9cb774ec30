#include "trainer/layers/primitive_call.hpp"

#include "quant/base/error.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {

int PrimitiveCall::find(int argument) const {
  for (int i = 0; i < count_; ++i)
    if (arguments_[static_cast<std::size_t>(i)].arg == argument) return i;
  return -1;
}

void PrimitiveCall::bind(int argument, const dnnl::memory& memory) {
  int at = find(argument);
  if (at < 0) at = count_++;
  base::require(at < kMost, "PrimitiveCall: too many arguments");
  memories_[static_cast<std::size_t>(at)] = memory;
  arguments_[static_cast<std::size_t>(at)] = {argument, memory.get()};
}

void PrimitiveCall::point(int argument, const void* values) {
  const int at = find(argument);
  base::require(at >= 0, "PrimitiveCall: an argument that was not bound");
  memories_[static_cast<std::size_t>(at)].set_data_handle(const_cast<void*>(values));
}

void PrimitiveCall::run() const {
  const dnnl_status_t status =
      dnnl_primitive_execute(primitive_.get(), onednn_stream().get(), count_, arguments_.data());
  base::require(status == dnnl_success, "oneDNN could not run what it had made");
}

}  // namespace bitsmith::trainer
