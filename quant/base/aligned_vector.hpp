#pragma once

#include <cstddef>
#include <vector>

namespace bitsmith::base {

/// Memory that starts at a cache line; of megabytes, it asks for huge pages, as streaming many small pages
/// costs address translations and stops the hardware's prefetching at each. Throws std::bad_alloc.
void* allocate_aligned(std::size_t bytes);
void free_aligned(void* memory, std::size_t bytes) noexcept;

struct FreeAligned {
  std::size_t bytes = 0;  ///< as they were allocated
  void operator()(void* memory) const { free_aligned(memory, bytes); }
};

template <typename Element>
struct AlignedAllocator {
  using value_type = Element;

  AlignedAllocator() = default;
  template <typename Other>
  AlignedAllocator(const AlignedAllocator<Other>&) {}

  Element* allocate(std::size_t n) { return static_cast<Element*>(allocate_aligned(n * sizeof(Element))); }
  void deallocate(Element* memory, std::size_t n) noexcept { free_aligned(memory, n * sizeof(Element)); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

/// For what vector instructions stream: packed weights, gathered rows.
template <typename Element>
using AlignedVector = std::vector<Element, AlignedAllocator<Element>>;

}  // namespace bitsmith::base
