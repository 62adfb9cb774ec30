#include "quant/base/subprocess.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <utility>

#include "quant/base/error.hpp"

extern char** environ;

namespace bitsmith::base {
namespace {

using Clock = std::chrono::steady_clock;

std::string reason(int error) { return std::generic_category().message(error); }

/// Owns one file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read_end, write_end;
};

// Above 2, so that putting one in place as the child's 0, 1 or 2 cannot overwrite another (a daemon may have
// closed its own three).
Descriptor above_standard(int fd) {
  if (fd > 2) return Descriptor(fd);
  Descriptor low(fd);
  const int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (high < 0) throw UserError("cannot make a pipe: " + reason(errno));
  return Descriptor(high);
}

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw UserError("cannot make a pipe: " + reason(errno));
  Descriptor write_end(ends[1]);
  Pipe pipe;
  pipe.read_end = above_standard(ends[0]);
  const int high = ::fcntl(write_end.get(), F_DUPFD_CLOEXEC, 3);
  if (high < 0) throw UserError("cannot make a pipe: " + reason(errno));
  pipe.write_end = Descriptor(high);
  return pipe;
}

void set_nonblocking(const Descriptor& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

/// Keeps SIGPIPE from this thread while alive: a program may end without reading its input. A signal raised
/// meanwhile is taken off the pending list, unless one was pending before.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &outer_);
  }
  ~NoSigpipe() {
    const timespec now{};
    if (!was_pending_) {
      while (sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &outer_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_, outer_;
  bool was_pending_;
};

struct SpawnSettings {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
};

pid_t spawn(const std::vector<std::string>& command, const Pipe& in, const Pipe& out, const Pipe& err) {
  SpawnSettings settings;
  posix_spawn_file_actions_adddup2(&settings.actions, in.read_end.get(), 0);
  posix_spawn_file_actions_adddup2(&settings.actions, out.write_end.get(), 1);
  posix_spawn_file_actions_adddup2(&settings.actions, err.write_end.get(), 2);
  // Files that libraries (HDF5) opened without close-on-exec stay ours too.
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, 3);
  // A fresh start: the caller's blocked and ignored signals are none of the program's business.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setpgroup(&settings.attributes, 0);
  posix_spawnattr_setflags(&settings.attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, arguments[0], &settings.actions, &settings.attributes,
                                   arguments.data(), environ);
  if (error != 0) {
    const bool searched = error == ENOENT && command[0].find('/') == std::string::npos;
    throw UserError("cannot start the program '" + command[0] + "': " + reason(error) +
                    (searched ? " (looked for it in PATH)" : "") +
                    "; the whole command is: " + command_to_string(command));
  }
  return child;
}

/// A running program. Until `finish` has reaped it, its process id cannot be given to another.
class Child {
 public:
  explicit Child(pid_t id) : id_(id), watch_(static_cast<int>(::syscall(SYS_pidfd_open, id, 0))) {}
  ~Child() {
    if (id_ > 0) finish();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Readable when the program has ended; not open on kernels before 5.3.
  const Descriptor& watch() const { return watch_; }

  bool ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == id_;
  }

  /// Kills what is left of the group and returns the status that waitpid gives.
  int finish() {
    ::kill(-id_, SIGKILL);
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    return status;
  }

 private:
  pid_t id_;
  Descriptor watch_;
};

void write_some(Descriptor& to, std::string_view& left) {
  const ssize_t written = ::write(to.get(), left.data(), std::min<std::size_t>(left.size(), 1 << 16));
  if (written >= 0) {
    left.remove_prefix(static_cast<std::size_t>(written));
  } else if (errno != EAGAIN && errno != EINTR) {
    left = {};  // the program has closed its input: it needs no more
  }
  if (left.empty()) to.close();
}

/// Reads once; whether there may be more at once.
template <typename Sink>
bool read_some(Descriptor& from, Sink&& sink) {
  std::array<char, 1 << 16> buffer;
  const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
  if (got > 0) {
    sink(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  if (got == 0 || errno != EAGAIN) from.close();
  return false;
}

int milliseconds_until(Clock::time_point deadline, bool watched) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  const long long longest = watched ? 60'000 : 10;  // unwatched: look for the end every 10 ms
  return static_cast<int>(std::clamp<long long>(left, 0, longest));
}

}  // namespace

std::string command_to_string(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& argument : command) {
    if (!line.empty()) line += ' ';
    const bool plain =
        !argument.empty() && argument.find_first_of(" \t\n'\"\\$`*?#~;&|<>()[]{}!") == std::string::npos;
    line += plain ? argument : "'" + argument + "'";
  }
  return line;
}

ProcessResult run_process(const std::vector<std::string>& command, std::string_view input, double timeout_s) {
  if (command.empty() || command[0].empty())
    throw UserError("a command needs a program: got an empty list or name");
  for (const std::string& argument : command) {
    if (argument.find('\0') != std::string::npos)
      throw UserError("a command's arguments cannot hold NUL characters");
  }
  if (!(timeout_s > 0)) throw UserError("a command's time limit must be positive");

  const double longest_s = 1e8;  // three years: beyond it, durations would overflow
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(std::min(timeout_s, longest_s)));
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
  const NoSigpipe no_sigpipe;
  Child child(spawn(command, in, out, err));
  in.read_end.close();
  out.write_end.close();
  err.write_end.close();
  for (const Descriptor* fd : {&in.write_end, &out.read_end, &err.read_end}) set_nonblocking(*fd);
  if (input.empty()) in.write_end.close();

  ProcessResult result;
  const auto take_out = [&](std::string_view text) {
    const std::size_t room = kMaxOutputBytes - result.out.size();
    result.out_truncated |= text.size() > room;
    result.out.append(text.substr(0, room));
  };
  const auto take_err = [&](std::string_view text) {
    result.err.append(text);
    if (result.err.size() > 2 * kMaxErrorBytes) result.err.erase(0, result.err.size() - kMaxErrorBytes);
  };

  // poll() skips entries whose descriptor is -1, so closed ones may stay in the list.
  bool ended = false;
  while (!ended && !result.timed_out) {
    std::array<pollfd, 4> fds = {pollfd{in.write_end.get(), POLLOUT, 0},
                                 pollfd{out.read_end.get(), POLLIN, 0}, pollfd{err.read_end.get(), POLLIN, 0},
                                 pollfd{child.watch().get(), POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), milliseconds_until(deadline, child.watch().is_open()));
    if (ready > 0 && fds[0].revents != 0) write_some(in.write_end, input);
    if (ready > 0 && fds[1].revents != 0) read_some(out.read_end, take_out);
    if (ready > 0 && fds[2].revents != 0) read_some(err.read_end, take_err);
    ended = child.ended();
    result.timed_out = !ended && Clock::now() >= deadline;
  }
  // What it wrote before it ended is in the pipes, whole; those it started and left behind are not waited
  // for.
  while (!result.timed_out && out.read_end.is_open() && !result.out_truncated &&
         read_some(out.read_end, take_out)) {
  }
  for (std::size_t taken = 0; !result.timed_out && err.read_end.is_open() && taken < kMaxOutputBytes;) {
    if (!read_some(err.read_end, [&](std::string_view text) {
          taken += text.size();
          take_err(text);
        })) {
      break;
    }
  }
  const int status = child.finish();
  if (result.err.size() > kMaxErrorBytes) result.err.erase(0, result.err.size() - kMaxErrorBytes);
  if (!result.timed_out && WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (!result.timed_out && WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace bitsmith::base
