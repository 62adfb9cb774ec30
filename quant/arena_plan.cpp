#include "quant/arena_plan.hpp"

#include <algorithm>

#include "quant/kernels/kernel_table.hpp"

namespace bitsmith::quant {
namespace {

/// A piece of memory with the steps during which it is in use, both ends included.
struct Block {
  std::int64_t bytes = 0, offset = 0;
  int first = 0, last = 0;
};

std::size_t at(int step) { return static_cast<std::size_t>(step); }

/// Whether a step may write over its first input: element by element or row by row, and elements of one size.
bool in_place(const Step& step) {
  return runs_in_place(step.kind) && storage_bytes(step.from) == storage_bytes(step.to);
}

/// The last step that reads each step's output; its own index where none does.
std::vector<int> last_readers(const std::vector<Step>& steps) {
  std::vector<int> last(steps.size());
  for (int i = 0; i < static_cast<int>(steps.size()); ++i) {
    last[at(i)] = i;
    for (int source : {steps[at(i)].first, steps[at(i)].second})
      if (source >= 0) last[at(source)] = i;
  }
  return last;
}

/// The lowest offset at which `block` meets none of `placed` that it shares a step with.
std::int64_t lowest_gap(const Block& block, std::vector<const Block*> placed) {
  std::erase_if(placed,
                [&](const Block* other) { return other->last < block.first || block.last < other->first; });
  std::ranges::sort(placed, {}, [](const Block* other) { return other->offset; });
  std::int64_t offset = 0;
  for (const Block* other : placed) {
    if (offset + block.bytes <= other->offset) break;
    offset = std::max(offset, other->offset + other->bytes);
  }
  return offset;
}

}  // namespace

ArenaPlan plan_arena(const std::vector<Step>& steps, int batch) {
  const std::vector<int> last = last_readers(steps);
  std::vector<Block> blocks;
  std::vector<int> block_of(steps.size(), -1);
  for (int i = 0; i + 1 < static_cast<int>(steps.size()); ++i) {
    const Step& step = steps[at(i)];
    const int input = step.first;
    if (in_place(step) && input >= 0 && last[at(input)] == i) {
      block_of[at(i)] = block_of[at(input)];
      blocks[at(block_of[at(i)])].last = last[at(i)];
      continue;
    }
    const std::int64_t bytes = step.output.elements() * batch * storage_bytes(step.to);
    block_of[at(i)] = static_cast<int>(blocks.size());
    blocks.push_back({(bytes + ArenaPlan::kAlignment - 1) / ArenaPlan::kAlignment * ArenaPlan::kAlignment, 0,
                      i, last[at(i)]});
  }

  // Largest first: a good packing of intervals in practice (Pisarchyk and Lee, 2020, "greedy by size").
  std::vector<Block*> order;
  for (Block& block : blocks) order.push_back(&block);
  std::ranges::stable_sort(order, std::ranges::greater{}, [](const Block* block) { return block->bytes; });
  ArenaPlan plan;
  std::vector<const Block*> placed;
  for (Block* block : order) {
    block->offset = lowest_gap(*block, placed);
    plan.bytes = std::max(plan.bytes, block->offset + block->bytes);
    placed.push_back(block);
  }
  for (int block : block_of) plan.offset.push_back(block < 0 ? -1 : blocks[at(block)].offset);
  return plan;
}

}  // namespace bitsmith::quant
