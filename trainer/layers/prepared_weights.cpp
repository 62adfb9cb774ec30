#include "trainer/layers/prepared_weights.hpp"

#include "quant/kernels/onednn_choose.hpp"
#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {

const dnnl::memory& PreparedWeights::as(const dnnl::memory::desc& wanted, Use use) {
  for (Entry& entry : entries_) {
    if (entry.memory.get_desc() != wanted || (entry.use == Use::levels) != (use == Use::levels)) continue;
    if (entry.use == Use::backward_values) entry.use = use;
    return entry.memory;
  }
  Entry entry;
  dnnl::memory::desc source = plain_;
  if (wanted.data_type() == dnnl::memory::data_type::s8) source.data.data_type = dnnl_s8;
  entry.memory = dnnl::memory(wanted, onednn_engine());
  entry.source = onednn_view(source);
  entry.reorder =
      dnnl::reorder(quant::onednn_choose<dnnl::reorder::primitive_desc>(entry.source, entry.memory));
  entry.use = use;
  entries_.push_back(std::move(entry));
  return entries_.back().memory;
}

void PreparedWeights::fill(const float* values, std::span<const std::int8_t> levels, bool for_backward) {
  for (Entry& entry : entries_) {
    if (entry.use == Use::backward_values && !for_backward) continue;
    const void* from = values;
    if (entry.use == Use::levels) {
      if (levels.empty()) continue;  // made for a quantization that is no more
      from = levels.data();
      if (entry.source.get_desc().data_type() != dnnl::memory::data_type::s8) {
        level_values_.assign(levels.begin(), levels.end());
        from = level_values_.data();
      }
    }
    entry.source.set_data_handle(const_cast<void*>(from));
    entry.reorder.execute(onednn_stream(), entry.source, entry.memory);
  }
}

}  // namespace bitsmith::trainer
