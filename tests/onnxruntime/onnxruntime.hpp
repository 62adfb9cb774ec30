#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "quant/base/npy.hpp"
#include "quant/base/subprocess.hpp"
#include "tests/quant/base/temporary_folder.hpp"

namespace bitsmith::tests {

/// Where tests/onnxruntime/setup.sh has put it; nothing, and loudly so, where it is not.
inline std::optional<std::string> onnxruntime_modules() {
  const char* told = std::getenv("BITSMITH_ORT_DIR");
  const std::filesystem::path folder = told != nullptr ? told : BITSMITH_BINARY_DIR "/onnxruntime";
  if (std::filesystem::exists(folder / "node_modules" / "onnxruntime-node"))
    return (folder / "node_modules").string();
  const std::string message = "SKIPPED: there is no ONNX Runtime in " + folder.string() +
                              "; tests/onnxruntime/setup.sh puts it there";
  std::cerr << message << std::endl;
  BOOST_WARN_MESSAGE(false, message);
  return std::nullopt;
}

/// A model's output for images in N, C, H, W: [N, outputs]. `optimization`: disabled, basic, extended, all.
inline std::vector<float> run_onnxruntime(const std::string& modules, const std::filesystem::path& model,
                                          const std::vector<float>& images,
                                          const std::vector<std::uint64_t>& shape,
                                          const std::string& optimization = "all") {
  const TemporaryFolder folder;
  const auto in = folder / "in.npy", out = folder / "out.npy";
  base::write_npy(in, std::span<const float>(images), shape);
  const auto result = base::run_process(
      {"env", "NODE_PATH=" + modules, "node", BITSMITH_SOURCE_DIR "/tests/onnxruntime/run.js", model.string(),
       in.string(), out.string(), "32", optimization},
      "", 300);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, model.string() + ": " + result.err);
  return base::read_npy(out).floats();
}

/// What onnx.checker says against a model of an opset that Debian's knows; empty: nothing.
inline std::string onnx_checker(const std::filesystem::path& model) {
  const auto result = base::run_process(
      {"/usr/bin/python3", "-c",
       "import sys, onnx; model = onnx.load(sys.argv[1]); onnx.checker.check_model(model, full_check=True)",
       model.string()},
      "", 300);
  return result.exit_code == 0 ? "" : "exit code " + std::to_string(result.exit_code) + ": " + result.err;
}

}  // namespace bitsmith::tests
