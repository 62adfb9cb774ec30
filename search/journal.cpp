#include "search/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "quant/base/error.hpp"
#include "search/journal_line.hpp"

namespace bitsmith::search {
namespace {

std::string reason() { return std::generic_category().message(errno); }

std::string read_all(int file, const std::filesystem::path& path) {
  std::string text;
  char buffer[1 << 16];
  for (ssize_t got; (got = ::read(file, buffer, sizeof buffer)) != 0;) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw base::UserError(fmt::format("{}: cannot read the journal: {}", path.string(), reason()));
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

// A file that was just made is in its folder for good only when the folder is on disk too.
void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

Journal::Journal(std::filesystem::path path, const std::string& identity) : path_(std::move(path)) {
  std::error_code error;
  if (path_.has_parent_path()) std::filesystem::create_directories(path_.parent_path(), error);
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file_ < 0) fail("open");
  try {
    struct stat status {};
    if (::fstat(file_, &status) != 0) fail("examine");
    if (!S_ISREG(status.st_mode))
      throw base::UserError(fmt::format("{}: the journal must be a file", path_.string()));
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      throw base::UserError(fmt::format("{}: the journal is in use by another process", path_.string()));
    }
    const std::string header = header_line(identity);
    load(read_all(file_, path_), header);
    sync_folder(path_.parent_path());
  } catch (...) {
    ::close(file_);
    throw;
  }
}

Journal::~Journal() { ::close(file_); }

void Journal::fail(const std::string& doing) const {
  throw base::UserError(fmt::format("{}: cannot {} the journal: {}", path_.string(), doing, reason()));
}

void Journal::load(const std::string& text, const std::string& header) {
  const auto refuse = [&](const std::string& why) {
    throw base::UserError(fmt::format("{}: {}", path_.string(), why));
  };
  const std::string begin = text.substr(0, header.size());
  if (begin.size() < header.size() &&
      header.starts_with(begin)) {  // empty, or killed while it was being begun
    if (::ftruncate(file_, 0) != 0) fail("begin");
    write(header);
    return;
  }
  if (begin != header) {
    const std::string_view record = checked_record(std::string_view(text).substr(0, text.find('\n')));
    if (record.find(R"("journal":"bitsmith search")") == std::string_view::npos) {
      refuse("this is not a search journal (or its first line is damaged); move it away to begin a new one");
    }
    refuse(
        "the journal belongs to another run (other config, data, prices, network or seed); resume that run, "
        "or move "
        "the journal away to begin a new one");
  }
  std::size_t line_begin = header.size();
  for (int number = 2; line_begin < text.size(); ++number) {
    const std::size_t line_end = text.find('\n', line_begin);
    const bool last = line_end == std::string::npos || line_end + 1 == text.size();
    const std::string_view record =
        line_end == std::string::npos
            ? std::string_view()
            : checked_record(std::string_view(text).substr(line_begin, line_end - line_begin));
    if (record.empty()) {
      if (!last) {
        refuse(fmt::format(
            "line {} is damaged, and others follow; restore the file, or cut it before that line to "
            "resume from episode {}",
            number, number - 2));
      }
      if (::ftruncate(file_, static_cast<off_t>(line_begin)) != 0 || ::fsync(file_) != 0) fail("mend");
      break;
    }
    try {
      recorded_.push_back(parse_record(record));
    } catch (const base::UserError& problem) {
      refuse(fmt::format("line {} is not an episode: {}", number, problem.what()));
    }
    if (recorded_.back().episode != number - 2) {
      refuse(
          fmt::format("line {} holds episode {}, expected {}", number, recorded_.back().episode, number - 2));
    }
    line_begin = line_end + 1;
  }
  next_episode_ = static_cast<int>(recorded_.size());
}

void Journal::write(const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(file_, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    done += static_cast<std::size_t>(written);
  }
  if (::fsync(file_) != 0) fail("store");
}

void Journal::append(std::span<const EpisodeRecord> episodes) {
  std::string text;
  for (const EpisodeRecord& record : episodes) {
    base::require(record.episode == next_episode_, "episodes must be stored in order");
    ++next_episode_;
    text += record_line(record);
  }
  write(text);
}

}  // namespace bitsmith::search
