#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "quant/base/error.hpp"

namespace bitsmith::hwmodels_tests {

/// An empty folder, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "bitsmith-hwmodels-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// For BOOST_CHECK_EXCEPTION: the message holds each of the parts.
inline auto says(std::vector<std::string> parts) {
  return [parts = std::move(parts)](const base::UserError& error) {
    const std::string message = error.what();
    for (const std::string& part : parts) {
      if (message.find(part) != std::string::npos) continue;
      BOOST_TEST_MESSAGE("'" << part << "' is not in: " << message);
      return false;
    }
    return true;
  };
}

}  // namespace bitsmith::hwmodels_tests
