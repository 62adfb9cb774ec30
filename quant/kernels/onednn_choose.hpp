#pragma once

#include <mutex>
#include <utility>

namespace bitsmith::quant {

inline std::mutex onednn_choosing;

/// Makes a primitive descriptor, in which oneDNN chooses an implementation and its blocking; one at a time in
/// the whole process. oneDNN before 3.1 takes the blocking of brgemm convolutions from a variable that all
/// threads share (`brg_blocking_t::last_ic_block_size`), and whose value is the data type's: two threads that
/// choose for fp32 and for integers at once get kernels that read past their input. Generating the code,
/// which takes longer, is not guarded.
template <class Descriptor, class... Arguments>
Descriptor onednn_choose(Arguments&&... arguments) {
  const std::lock_guard lock(onednn_choosing);
  return Descriptor(std::forward<Arguments>(arguments)...);
}

}  // namespace bitsmith::quant
