#include "trainer/slot_memory.hpp"

namespace bitsmith::trainer {

void SlotMemory::reserve(const std::vector<Slot>& slots, int batch, int parts, int chunk) {
  rooms_.resize(slots.size());
  for (std::size_t s = 0; s < slots.size(); ++s) {
    Room& room = rooms_[s];
    room.local = slots[s].local;
    room.part_elements = slots[s].elements * chunk;
    room.values.resize(room.local ? parts * chunk : batch, {static_cast<int>(slots[s].elements), 1, 1});
  }
}

}  // namespace bitsmith::trainer
