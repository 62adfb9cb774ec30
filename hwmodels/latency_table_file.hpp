#pragma once

#include <filesystem>

#include "hwmodels/latency_table.hpp"

namespace bitsmith::hwmodels {

/// A latency table as an HDF5 file, layout version 2. The file's attributes: `format` = "bitsmith latency
/// table", `version`, `fingerprint`. Group `provenance`: attributes cpu, l1d_bytes, l2_bytes, l3_bytes, isa,
/// onednn, kernels, compiler, program. Group `canaries`: datasets chain_ns, stream_ns, vector_ns, one value
/// per pass. Group `entries`: one value per entry in each of step, kernel, state, weight_bits,
/// activation_bits (32 is fp32), batch, threads, min_us, median_us, spread, runs_per_sample, measured_at
/// (seconds since 1970), sample_count; and samples_us, all samples, entry after entry. Every dataset has the
/// attributes `unit` and `description`.

/// Atomic: kill -9 leaves the old file or the new one. Throws UserError when it cannot be written.
void save_latency_table(const LatencyTable& table, const std::filesystem::path& path);

/// What was saved, to the bit. Throws UserError for a file that is missing, not HDF5, not a latency table, of
/// another version, truncated or changed (its checksum, see quant/base/hdf5_seal, must be there), or whose
/// contents contradict each other.
LatencyTable load_latency_table(const std::filesystem::path& path);

}  // namespace bitsmith::hwmodels
