#include "quant/base/aligned_vector.hpp"

#include <sys/mman.h>

#include <new>

namespace bitsmith::base {
namespace {

constexpr std::size_t kCacheLine = 64, kHugePage = std::size_t{2} << 20;

// A huge page is zeroed and kept whole: below a few, small pages waste less.
std::size_t alignment_of(std::size_t bytes) { return bytes >= 2 * kHugePage ? kHugePage : kCacheLine; }

}  // namespace

void* allocate_aligned(std::size_t bytes) {
  const std::size_t alignment = alignment_of(bytes);
  void* const memory = ::operator new (bytes, std::align_val_t{alignment});
  // Advice only: where the system does not give huge pages, small ones do.
  if (alignment == kHugePage) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
}

void free_aligned(void* memory, std::size_t bytes) noexcept {
  ::operator delete (memory, std::align_val_t{alignment_of(bytes)});
}

}  // namespace bitsmith::base
