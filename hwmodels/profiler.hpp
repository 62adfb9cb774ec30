#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "hwmodels/latency_table.hpp"
#include "hwmodels/options.hpp"
#include "hwmodels/step_catalog.hpp"
#include "quant/base/progress.hpp"

namespace bitsmith::hwmodels {

/// What became of a request for prices.
struct ProfileReport {
  int kept = 0;                       ///< entries that were there and still hold
  int measured = 0;                   ///< entries that were not
  int noisy = 0;                      ///< of those measured, warm ones that stayed above the accepted spread
  double seconds = 0;                 ///< that measuring took
  std::vector<std::string> reasons;   ///< why anything had to be measured; see renew()
  std::vector<std::string> warnings;  ///< sentences for people: what to know of the entries that were kept
};

/// Completes `table` so that it prices every policy of these choices on this host, alone (hot and
/// cold) and within the network: keeps what
/// still holds, throws away what does not, and measures the rest, every kernel that serves a step once for
/// all bits that it serves. Kernels are measured together, at most 128 of them at once, which bounds memory;
/// `checkpoint` (may be empty) gets the table after each such group. Throws UserError for options out of
/// range.
ProfileReport profile(const quant::NetworkInfo& network, const BitChoices& choices,
                      const HostOptions& options, LatencyTable& table,
                      const std::function<void(const LatencyTable&)>& checkpoint = {},
                      const base::Progress& progress = base::no_progress);

/// Likewise for layers by themselves (see layer_list): every kernel of find_candidates(lone_layers), hot and
/// cold. There is no network around them, and so they are not measured in place. Throws UserError also for a
/// layer whose activations are too many at this batch.
ProfileReport profile_layers(std::span<const quant::NetworkInfo> lone_layers, const HostOptions& options,
                             LatencyTable& table,
                             const std::function<void(const LatencyTable&)>& checkpoint = {},
                             const base::Progress& progress = base::no_progress);

/// The same with a file that keeps the table: read if it is there, written after each group, so that an
/// interrupted profile goes on where it was. Entries of other networks stay. Throws UserError for a file that
/// is no latency table.
LatencyTable profile_to_file(const quant::NetworkInfo& network, const BitChoices& choices,
                             const HostOptions& options, const std::filesystem::path& file,
                             const base::Progress& progress = base::no_progress,
                             ProfileReport* report = nullptr);
LatencyTable profile_layers_to_file(std::span<const quant::NetworkInfo> lone_layers,
                                    const HostOptions& options, const std::filesystem::path& file,
                                    const base::Progress& progress = base::no_progress,
                                    ProfileReport* report = nullptr);

}  // namespace bitsmith::hwmodels
