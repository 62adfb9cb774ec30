#include "trainer/layers/prepared_weights.hpp"

#include "trainer/layers/onednn.hpp"

namespace bitsmith::trainer {

const dnnl::memory& PreparedWeights::as(const dnnl::memory::desc& wanted, bool backward) {
  for (Entry& entry : entries_)
    if (entry.memory.get_desc() == wanted) {
      entry.backward = entry.backward && backward;
      return entry.memory;
    }
  Entry entry;
  entry.levels = wanted.data_type() == dnnl::memory::data_type::s8;
  dnnl::memory::desc source = plain_;
  if (entry.levels) source.data.data_type = dnnl_s8;
  entry.memory = dnnl::memory(wanted, onednn_engine());
  entry.source = onednn_view(source);
  entry.reorder = dnnl::reorder(entry.source, entry.memory);
  entry.backward = backward;
  entries_.push_back(std::move(entry));
  return entries_.back().memory;
}

void PreparedWeights::fill(const float* values, const std::int8_t* levels, bool for_backward) {
  for (Entry& entry : entries_) {
    if (entry.backward && !for_backward) continue;
    if (entry.levels && levels == nullptr) continue;  // made for a quantization that is no more
    const void* from = entry.levels ? static_cast<const void*>(levels) : values;
    entry.source.set_data_handle(const_cast<void*>(from));
    entry.reorder.execute(onednn_stream(), entry.source, entry.memory);
  }
}

}  // namespace bitsmith::trainer
