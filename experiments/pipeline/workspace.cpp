#include "experiments/pipeline/workspace.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "quant/base/error.hpp"
#include "quant/base/file.hpp"

namespace bitsmith::experiments {
namespace fs = std::filesystem;

Workspace::Workspace(const fs::path& output) : folder_(output) {
  folder_.replace_extension(".work");
  std::error_code code;
  if (fs::is_directory(output, code))
    throw base::UserError(fmt::format("{}: is a directory; the results are a file", output.string()));
  fs::create_directories(folder_, code);
  if (code)
    throw base::UserError(
        fmt::format("{}: cannot make the work folder: {}", folder_.string(), code.message()));
  const fs::path path = file("lock");
  lock_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0)
    throw base::UserError(
        fmt::format("{}: cannot write to the work folder: {}", path.string(), std::strerror(errno)));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw base::UserError(fmt::format(
        "{}: another bitsmith process is working on these results; wait for it, or give this run another "
        "output",
        folder_.string()));
  }
  for (const fs::path& written : {output, fs::path(output).replace_extension(".qat.h5"), config(), prices(),
                                  trained(), best_trained(), file("qat.h5"), file("qat.best.h5")})
    base::remove_stale_temporaries(written);
}

Workspace::~Workspace() { ::close(lock_); }

bool Workspace::has_journals() const {
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.path().filename().string().starts_with("episodes-")) return true;
  return false;
}

fs::path Workspace::final_network(std::uint64_t policy_hash) const {
  return file(fmt::format("final-{:016x}.h5", policy_hash));
}

void Workspace::forget_run() {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder_, code)) {
    const std::string name = entry.path().filename().string();
    const bool belongs_to_run = name == config().filename() || name == prices().filename() ||
                                name.starts_with("episodes-") || name.starts_with("final-");
    if (belongs_to_run) fs::remove(entry.path(), code);
  }
}

}  // namespace bitsmith::experiments
