#include "trainer/onnx/layout.hpp"

#include <algorithm>
#include <numeric>

#include "quant/base/error.hpp"

namespace bitsmith::trainer::onnx {
namespace {

using Axis = Atom::Axis;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// Splits an atom into `outer` and the rest; what refers to later ones counts on.
void split(Layout& layout, int atom, std::int64_t outer) {
  Atom inner = layout.atoms[at(atom)];
  inner.size /= outer;
  layout.atoms[at(atom)].size = outer;
  layout.atoms.insert(layout.atoms.begin() + atom + 1, inner);
  for (auto& dim : layout.dims)
    for (int& index : dim)
      if (index > atom) ++index;
}

bool is_channel(const Atom& atom) { return atom.axis == Axis::channel; }
bool is_pixel(const Atom& atom) { return atom.axis == Axis::height || atom.axis == Axis::width; }

using Which = bool (*)(const Atom&);

/// Whether a dimension is all such atoms, in order, and maybe a batch of 1.
bool is_all_of(const Layout& layout, int dim, Which which) {
  std::vector<int> wanted;
  for (int i = 0; i < static_cast<int>(layout.atoms.size()); ++i)
    if (which(layout.atoms[at(i)])) wanted.push_back(i);
  std::vector<int> found = layout.dims[at(dim)];
  std::erase_if(found, [&](int index) {
    return layout.atoms[at(index)].axis == Axis::batch && layout.atoms[at(index)].size == 1;
  });
  return found == wanted;
}

/// The same dimensions without such atoms.
Layout without(const Layout& layout, Which which) {
  Layout result;
  result.dims.resize(layout.dims.size());
  std::vector<int> now(layout.atoms.size(), -1);
  for (std::size_t i = 0; i < layout.atoms.size(); ++i) {
    if (which(layout.atoms[i])) continue;
    now[i] = static_cast<int>(result.atoms.size());
    result.atoms.push_back(layout.atoms[i]);
  }
  for (std::size_t d = 0; d < layout.dims.size(); ++d)
    for (int index : layout.dims[d])
      if (now[at(index)] >= 0) result.dims[d].push_back(now[at(index)]);
  return result;
}

}  // namespace

Layout Layout::image(const quant::Shape& shape, std::int64_t batch) {
  Layout layout;
  layout.atoms = {{Axis::batch, batch}};
  layout.dims = {{0}, {}, {}, {}};
  const auto add = [&](Axis axis, std::int64_t size, std::size_t dim) {
    if (size == 1) return;
    layout.dims[dim].push_back(static_cast<int>(layout.atoms.size()));
    layout.atoms.push_back({axis, size});
  };
  add(Axis::height, shape.height, 2);
  add(Axis::width, shape.width, 3);
  add(Axis::channel, shape.channels, 1);
  return layout;
}

Layout Layout::sequence(const quant::Shape& shape, std::int64_t batch) {
  return image(shape, batch).without_dim(2);
}

Layout Layout::features(std::int64_t count, std::int64_t batch) {
  return image({static_cast<int>(count), 1, 1}, batch).without_dim(3).without_dim(2);
}

std::int64_t Layout::size(int dim) const {
  std::int64_t product = 1;
  for (int index : dims[at(dim)]) product *= atoms[at(index)].size;
  return product;
}

Dims Layout::shape() const {
  Dims sizes;
  for (int dim = 0; dim < static_cast<int>(dims.size()); ++dim) sizes.push_back(size(dim));
  return sizes;
}

std::optional<Layout> Layout::reshaped(std::span<const std::int64_t> to) const {
  Layout result = *this;
  std::vector<int> order;  // all atoms as they come
  for (const auto& dim : dims) order.insert(order.end(), dim.begin(), dim.end());
  result.dims = {order};
  std::size_t next = 0;
  std::vector<std::vector<int>> made;
  for (std::int64_t wanted : to) {
    made.emplace_back();
    // The batch goes where a dimension of 1 is; other dimensions take it in where it comes first.
    for (std::int64_t rest = wanted; rest > 1 || (wanted == 1 && made.back().empty());) {
      if (next == result.dims[0].size()) {
        if (wanted == 1) break;
        return std::nullopt;
      }
      const int atom = result.dims[0][next];
      const std::int64_t size = result.atoms[at(atom)].size;
      if (wanted == 1 && size != 1) break;
      if (size > rest) {
        if (size % rest != 0 || result.atoms[at(atom)].axis == Axis::batch) return std::nullopt;
        split(result, atom, rest);
        for (auto& dim : made)
          for (int& index : dim)
            if (index > atom) ++index;
        result.dims[0].insert(result.dims[0].begin() + static_cast<std::ptrdiff_t>(next) + 1, atom + 1);
      } else if (rest % size != 0) {
        return std::nullopt;
      }
      rest /= result.atoms[at(atom)].size;
      made.back().push_back(result.dims[0][next++]);
    }
  }
  if (next != result.dims[0].size()) {
    // A batch behind everything else.
    if (made.empty() || next + 1 != result.dims[0].size() || result.atoms[at(result.dims[0][next])].size != 1)
      return std::nullopt;
    made.back().push_back(result.dims[0][next]);
  }
  result.dims = std::move(made);
  return result;
}

Layout Layout::transposed(std::span<const std::int64_t> order) const {
  Layout result = *this;
  for (std::size_t i = 0; i < order.size(); ++i) result.dims[i] = dims[static_cast<std::size_t>(order[i])];
  return result;
}

Layout Layout::without_dim(int dim) const {
  base::require(size(dim) == 1, "a dimension that is more than 1 cannot be left out");
  Layout result = *this;
  const std::vector<int> lost = dims[at(dim)];  // the batch, or nothing
  result.dims.erase(result.dims.begin() + dim);
  if (!lost.empty() && !result.dims.empty()) {
    auto& takes = result.dims[at(dim == 0 ? 0 : dim - 1)];
    takes.insert(dim == 0 ? takes.begin() : takes.end(), lost.begin(), lost.end());
  }
  return result;
}

Layout Layout::with_dim(int where) const {
  Layout result = *this;
  result.dims.insert(result.dims.begin() + where, std::vector<int>{});
  return result;
}

bool Layout::holds(int dim, Axis axis) const {
  return std::ranges::any_of(dims[at(dim)], [&](int index) { return atoms[at(index)].axis == axis; });
}

bool Layout::is_channels(int dim) const { return is_all_of(*this, dim, is_channel); }
bool Layout::is_pixels(int dim) const { return is_all_of(*this, dim, is_pixel); }

bool Layout::is_innermost(int dim) const {
  int next = static_cast<int>(atoms.size());
  for (auto atom = dims[at(dim)].rbegin(); atom != dims[at(dim)].rend(); ++atom)
    if (*atom != --next || atoms[at(*atom)].axis != Axis::channel) return false;
  return true;
}

bool Layout::is_outermost(int dim) const {
  int next = 0;
  while (next < static_cast<int>(atoms.size()) && !is_channel(atoms[at(next)])) ++next;
  for (const int atom : dims[at(dim)])
    if (!(atoms[at(atom)] == Atom{Axis::batch, 1}) && atom != next++) return false;
  return true;
}

bool Layout::is_batch(int dim) const {
  return std::ranges::all_of(dims[at(dim)], [&](int index) { return atoms[at(index)].axis == Axis::batch; });
}

int Layout::batch_dim() const {
  for (int dim = 0; dim < static_cast<int>(dims.size()); ++dim)
    if (holds(dim, Axis::batch)) return dim;
  return 0;
}

std::int64_t Layout::batch() const { return atoms[0].size; }

bool Layout::is_batch_outermost() const {
  for (const auto& dim : dims)
    if (!dim.empty()) return atoms[at(dim[0])].axis == Axis::batch;
  return true;
}

std::int64_t Layout::channels() const {
  std::int64_t product = 1;
  for (const Atom& atom : atoms) product *= atom.axis == Axis::channel ? atom.size : 1;
  return product;
}

std::int64_t Layout::pixels() const {
  std::int64_t product = 1;
  for (const Atom& atom : atoms)
    product *= atom.axis == Axis::height || atom.axis == Axis::width ? atom.size : 1;
  return product;
}

int Layout::channel_dim() const {
  for (int dim = 0; dim < static_cast<int>(dims.size()); ++dim)
    if (holds(dim, Axis::channel)) return is_channels(dim) ? dim : -1;
  // One channel: any dimension of nothing does; that of NCHW where there is a choice.
  for (int dim = 1; dim < static_cast<int>(dims.size()); ++dim)
    if (dims[at(dim)].empty()) return dim;
  return -1;
}

bool Layout::is_image() const {
  const auto only = [&](int dim, Axis axis) {
    return dims[at(dim)].size() <= 1 && (dims[at(dim)].empty() || holds(dim, axis));
  };
  if (dims.size() != 3 && dims.size() != 4) return false;
  return is_batch(0) && is_channels(1) && (dims.size() == 3 || only(2, Axis::height)) &&
         only(static_cast<int>(dims.size()) - 1, Axis::width);
}

Layout Layout::merged() const {
  for (int dim = 0; dim < static_cast<int>(dims.size()); ++dim)
    if (is_channels(dim) && holds(dim, Axis::channel)) return with_channels(channels());
  return *this;
}

Layout Layout::with_channels(std::int64_t count, int dim) const {
  if (dim < 0) dim = channel_dim();
  base::require(dim >= 0 && is_channels(dim), "a layout whose channels are not one dimension");
  Layout result = without(*this, is_channel);
  if (count == 1) return result;
  result.dims[at(dim)].push_back(static_cast<int>(result.atoms.size()));
  result.atoms.push_back({Axis::channel, count});
  return result;
}

Layout Layout::with_outermost(int dim, std::int64_t count) const {
  base::require(is_outermost(dim), "a dimension that is not the outermost channels");
  Layout result = *this;
  const auto first = std::ranges::find_if(result.atoms, is_channel);
  std::vector<int>& changed = result.dims[at(dim)];
  const auto lost =
      static_cast<int>(std::ranges::count_if(changed, [&](int atom) { return is_channel(atoms[at(atom)]); }));
  const auto begin = static_cast<int>(first - result.atoms.begin());
  const int kept = count > 1 ? 1 : 0;
  result.atoms.erase(first, first + lost);
  std::erase_if(changed, [&](int atom) { return atom >= begin; });
  for (auto& others : result.dims)
    for (int& atom : others)
      if (atom >= begin) atom += kept - lost;
  if (kept != 0) {
    changed.push_back(begin);
    result.atoms.insert(result.atoms.begin() + begin, {Axis::channel, count});
  }
  return result;
}

Layout Layout::with_pixels(int dim, std::int64_t count) const {
  base::require(is_pixels(dim), "a dimension that is not all pixels");
  Layout result = without(*this, is_pixel);
  if (count == 1) return result;
  for (auto& others : result.dims)
    for (int& atom : others)
      if (atom > 0) ++atom;
  result.atoms.insert(result.atoms.begin() + 1, {Axis::width, count});
  result.dims[at(dim)].push_back(1);
  return result;
}

std::vector<std::int64_t> Layout::memory_order() const {
  std::vector<std::int64_t> strides(atoms.size());
  std::int64_t stride = 1;
  for (std::size_t i = atoms.size(); i-- > 0; stride *= atoms[i].size) strides[i] = stride;
  std::vector<std::int64_t> order = {0};
  for (const auto& dim : dims)
    for (int atom : dim) {
      if (atoms[at(atom)].axis == Axis::batch) continue;
      std::vector<std::int64_t> longer;
      longer.reserve(order.size() * static_cast<std::size_t>(atoms[at(atom)].size));
      for (std::int64_t begin : order)
        for (std::int64_t i = 0; i < atoms[at(atom)].size; ++i)
          longer.push_back(begin + i * strides[at(atom)]);
      order = std::move(longer);
    }
  return order;
}

Layout Layout::pooled() const { return without(*this, is_pixel); }

}  // namespace bitsmith::trainer::onnx
