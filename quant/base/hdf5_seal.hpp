#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace bitsmith::base::hdf5 {

/// HDF5 1.10 checks some of its structures by checksum and trusts the others: one flipped bit can crash it.
/// So files written here end in a seal, 24 bytes behind what HDF5 calls the end of the file: a mark, and XXH3
/// of everything before. Other programs never look there, and drop it when they change the file.
std::string seal(std::string_view content);

/// Throws UserError if `path` has a seal that its content does not agree with. Files without one pass.
void check_seal(const std::filesystem::path& path);

/// Whether `path` is an HDF5 file that ends without a seal: cut off, or written by another program. What only
/// this program writes should not be opened then.
bool lacks_seal(const std::filesystem::path& path);

}  // namespace bitsmith::base::hdf5
