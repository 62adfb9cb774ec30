#pragma once

#include <dnnl.hpp>

namespace bitsmith::trainer {

/// The one CPU engine of the process.
const dnnl::engine& onednn_engine();

/// This thread's stream; executing on it returns when the work is done.
dnnl::stream& onednn_stream();

/// Scratch memory is handed in by the caller, so that one primitive may run on several threads at once.
dnnl::primitive_attr onednn_attributes();

/// Whether this CPU (or the part of it that BITSMITH_ISA leaves) multiplies bf16, and 8-bit integers without
/// saturating in between, in hardware.
bool onednn_has_bf16();
bool onednn_has_int8();

/// A memory object without memory: a data handle is set before each use.
dnnl::memory onednn_view(const dnnl::memory::desc& desc);

}  // namespace bitsmith::trainer
