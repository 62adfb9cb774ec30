#pragma once

#include <stdexcept>
#include <string>

namespace bitsmith::base {

/// Something the user can mend: a bad file, key, shape or budget. The message says what, where, what is
/// allowed and the nearest valid name; the program prints it and exits with code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A broken promise inside the program: never the user's fault.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Throws InternalError with `what` unless `condition` holds.
inline void require(bool condition, const char* what) {
  if (!condition) throw InternalError(what);
}

}  // namespace bitsmith::base
