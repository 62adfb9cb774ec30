#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// The dictionary at the head of a .npy file, as written there.
struct NpyHeader {
  std::string descr;  ///< "<f4"
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

/// Reads the Python literal "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }": these three keys,
/// once each, in any order, and nothing else. Throws UserError beginning with `source`.
NpyHeader parse_npy_header(std::string_view text, const std::string& source);

}  // namespace bitsmith::base
