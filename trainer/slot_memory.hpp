#pragma once

#include <vector>

#include "trainer/buffer_plan.hpp"
#include "trainer/tensor.hpp"

namespace bitsmith::trainer {

/// The memory of a plan's slots. Grows, never shrinks.
class SlotMemory {
 public:
  /// Slots of the whole batch hold `batch` samples; local ones hold `chunk` samples for each of `parts`
  /// parts.
  void reserve(const std::vector<Slot>& slots, int batch, int parts, int chunk);

  /// Where the values of a piece of a part begin whose first sample is `first` in the batch, in a slot that
  /// now has a value of `elements` per sample.
  float* at(int slot, int part, int first, std::int64_t elements) {
    Room& room = rooms_[static_cast<std::size_t>(slot)];
    return room.values.data() + (room.local ? part * room.part_elements : first * elements);
  }

 private:
  struct Room {
    Tensor values;
    bool local = false;
    std::int64_t part_elements = 0;  ///< of a local slot
  };
  std::vector<Room> rooms_;
};

}  // namespace bitsmith::trainer
