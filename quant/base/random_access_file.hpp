#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace bitsmith::base {

/// A file of which pieces are read where they are wanted. Any number of threads may read at the same time.
/// (No memory map: a map of a file that somebody cuts short meanwhile ends the process, a read reports it.)
class RandomAccessFile {
 public:
  /// Throws UserError (path and reason) if it cannot be opened or is no regular file.
  explicit RandomAccessFile(std::filesystem::path path);
  ~RandomAccessFile();
  RandomAccessFile(const RandomAccessFile&) = delete;
  RandomAccessFile& operator=(const RandomAccessFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }  ///< when it was opened
  /// Fills `bytes` from `offset` on. Throws UserError if the file ends before, or cannot be read.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace bitsmith::base
