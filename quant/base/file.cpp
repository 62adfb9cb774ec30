#include "quant/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

#include "quant/base/error.hpp"

namespace bitsmith::base {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(const fs::path& path, std::string_view doing, int code) {
  throw UserError(fmt::format("{}: cannot {}: {}", path.string(), doing, std::strerror(code)));
}

class FileDescriptor {
 public:
  FileDescriptor(const fs::path& path, int flags, std::string_view doing)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail(path, doing, errno);
  }
  ~FileDescriptor() { ::close(fd_); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

constexpr std::string_view kTemporaryMark = ".tmp.";

}  // namespace

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  std::error_code code;
  if (fs::is_directory(path, code))
    throw UserError(fmt::format("{}: is a directory, not a file", path.string()));
  errno = 0;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail(path, "read", errno ? errno : ENOMEM);
  gzbuffer(file.get(), 1 << 17);
  std::string content;
  char buffer[1 << 16];
  for (;;) {
    const int count = gzread(file.get(), buffer, sizeof buffer);
    int status = Z_OK;
    if (count <= 0) {
      const char* reason = gzerror(file.get(), &status);
      if (count < 0 || (status != Z_OK && status != Z_STREAM_END))
        throw UserError(fmt::format("{}: cannot read: {}", path.string(),
                                    status == Z_ERRNO       ? std::strerror(errno)
                                    : status == Z_BUF_ERROR ? "truncated gzip file"
                                                            : reason));
      return content;
    }
    content.append(buffer, static_cast<std::size_t>(count));
    if (content.size() > max_bytes)
      throw UserError(fmt::format("{}: larger than {} bytes", path.string(), max_bytes));
  }
}

void replace_file(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) throw UserError(fmt::format("{}: cannot make the folder: {}", folder.string(), code.message()));
  static std::atomic<int> counter = 0;  // threads may replace the same file
  fs::path temporary = path;
  temporary += fmt::format("{}{}.{}", kTemporaryMark, ::getpid(), counter++);
  try {
    write(temporary);
    {
      FileDescriptor file(temporary, O_RDONLY, "open");
      if (::fsync(file.get()) != 0) fail(path, "write", errno);
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "replace", errno);
  } catch (...) {
    fs::remove(temporary, code);
    throw;
  }
  FileDescriptor directory(folder, O_RDONLY | O_DIRECTORY, "open the folder of");
  ::fsync(directory.get());  // some file systems refuse this for folders; the rename itself is already atomic
}

void replace_file(const fs::path& path, std::string_view content) {
  replace_file(path, [&](const fs::path& temporary) {
    FileDescriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC, "write");
    for (std::size_t done = 0; done < content.size();) {
      const ssize_t count = ::write(file.get(), content.data() + done, content.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(path, "write", errno);
      done += static_cast<std::size_t>(count);
    }
  });
}

void remove_stale_temporaries(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string prefix = path.filename().string() + std::string(kTemporaryMark);
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(prefix, 0) != 0) continue;
    int pid = 0;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), pid);
    const bool alive = error == std::errc() && (::kill(pid, 0) == 0 || errno == EPERM);
    if (!alive) fs::remove(entry.path(), code);
  }
}

}  // namespace bitsmith::base
