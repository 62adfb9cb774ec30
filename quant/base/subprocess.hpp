#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// What became of a program. Exactly one of these holds: it exited (signal == 0, !timed_out), a signal ended
/// it (signal != 0), or it was killed for taking too long (timed_out).
struct ProcessResult {
  int exit_code = -1;  ///< 0..255 where the program exited by itself, else -1
  int signal = 0;      ///< that ended it, 0 if none
  bool timed_out = false;
  std::string out;             ///< standard output, its first kMaxOutputBytes
  bool out_truncated = false;  ///< there was more
  std::string err;             ///< standard error, its last kMaxErrorBytes
};

inline constexpr std::size_t kMaxOutputBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxErrorBytes = std::size_t{64} << 10;

/// Runs command[0] (looked up in PATH) with the other entries as arguments, without a shell, in a process
/// group of its own; feeds it `input`, then end of file; returns when it has ended or `timeout_s` seconds (>
/// 0, may be infinite) are over. Whatever is left of its process group then is killed. A program need not
/// read its input. Inherits the environment and working folder and no file descriptor but its three.
/// Thread-safe. Throws UserError when the program cannot be started (not found, not executable, arguments too
/// long).
ProcessResult run_process(const std::vector<std::string>& command, std::string_view input, double timeout_s);

/// The command as one line for messages, e.g. `python3 'my evaluator.py'`.
std::string command_to_string(const std::vector<std::string>& command);

}  // namespace bitsmith::base
