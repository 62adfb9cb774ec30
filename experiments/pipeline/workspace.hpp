#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace bitsmith::experiments {

/// The folder beside the results that keeps what a run has made so far: `results/x.h5` has `results/x.work/`.
/// Holds a lock for as long as it lives, which the system releases however the process ends.
class Workspace {
 public:
  /// Makes the folder and takes the lock. Throws UserError if another process holds it, or the folder cannot
  /// be written.
  explicit Workspace(const std::filesystem::path& output);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path file(const std::string& name) const { return folder_ / name; }

  std::filesystem::path config() const { return file("config.yaml"); }  ///< resolved, of the run in progress
  std::filesystem::path prices() const { return file("prices.h5"); }    ///< the table this run is priced with
  std::filesystem::path trained() const { return file("trained.h5"); }  ///< checkpoint, also while training
  /// Checkpoint of the training's best weights, by its validation images.
  std::filesystem::path best_trained() const { return file("trained.best.h5"); }
  std::filesystem::path journal(const std::string& method) const {
    return file("episodes-" + method + ".jsonl");
  }
  bool has_journals() const;
  /// Checkpoint of a policy after the long fine-tune.
  std::filesystem::path final_network(std::uint64_t policy_hash) const;

  /// Removes what belongs to one run (config, journals, final networks, frozen prices), and keeps what any
  /// run can use again: the trained network and the measured latencies know themselves what they are good
  /// for.
  void forget_run();

 private:
  std::filesystem::path folder_;
  int lock_ = -1;
};

}  // namespace bitsmith::experiments
