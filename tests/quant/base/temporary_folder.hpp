#pragma once

#include <stdlib.h>

#include <boost/test/unit_test.hpp>

#include <exception>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "quant/base/error.hpp"

namespace bitsmith::tests {

/// A folder of one test's own, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitsmith_test_XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// For BOOST_CHECK_EXCEPTION: does the message contain every one of `parts`? Tells the message when it does
/// not.
inline std::function<bool(const std::exception&)> message_has(std::vector<std::string> parts) {
  return [wanted = std::move(parts)](const std::exception& error) {
    for (const auto& part : wanted)
      if (std::string(error.what()).find(part) == std::string::npos) {
        BOOST_TEST_MESSAGE("no '" << part << "' in: " << error.what());
        return false;
      }
    return true;
  };
}
template <class... Parts>
std::function<bool(const std::exception&)> message_has(const char* first, Parts... parts) {
  return message_has(std::vector<std::string>{first, parts...});
}

}  // namespace bitsmith::tests
