#include "quant/base/random_access_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "quant/base/error.hpp"

namespace bitsmith::base {

RandomAccessFile::RandomAccessFile(std::filesystem::path path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file_ < 0 || ::fstat(file_, &status) != 0) {
    const int code = errno;
    if (file_ >= 0) ::close(file_);
    throw UserError(fmt::format("{}: cannot read: {}", path_.string(), std::strerror(code)));
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(file_);
    throw UserError(fmt::format("{}: is not a regular file", path_.string()));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

RandomAccessFile::~RandomAccessFile() { ::close(file_); }

void RandomAccessFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw UserError(fmt::format("{}: cannot read: {}", path_.string(), std::strerror(errno)));
    if (count == 0)
      throw UserError(fmt::format("{}: ends at {} bytes, {} more were expected: truncated", path_.string(),
                                  offset, bytes.size()));
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace bitsmith::base
