#include "hwmodels/latency_table_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "hwmodels/measurement.hpp"
#include "quant/base/error.hpp"
#include "quant/base/hdf5.hpp"
#include "quant/base/hdf5_seal.hpp"

namespace bitsmith::hwmodels {
namespace {

using base::hdf5::File;

constexpr std::string_view kFormat = "bitsmith latency table";
constexpr std::int64_t kVersion = 2;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw base::UserError(fmt::format("{}: {}; delete the file to measure again", path.string(), what));
}

/// The provenance's fields and their names in the file.
struct TextField {
  const char* name;
  std::string Provenance::*field;
};
struct SizeField {
  const char* name;
  std::int64_t Provenance::*field;
};
constexpr TextField kTexts[] = {{"cpu", &Provenance::cpu},           {"isa", &Provenance::isa},
                                {"onednn", &Provenance::onednn},     {"kernels", &Provenance::kernels},
                                {"compiler", &Provenance::compiler}, {"program", &Provenance::program},
                                {"build", &Provenance::build}};
constexpr SizeField kSizes[] = {{"l1d_bytes", &Provenance::l1d_bytes},
                                {"l2_bytes", &Provenance::l2_bytes},
                                {"l3_bytes", &Provenance::l3_bytes}};

/// The entries column by column, as they lie in the file.
struct Columns {
  std::vector<std::string> step, kernel, state;
  std::vector<std::int32_t> weight_bits, activation_bits, batch, threads, runs_per_sample;
  std::vector<double> min_us, median_us, spread, samples_us;
  std::vector<std::int64_t> measured_at, sample_count;
};

Columns to_columns(const LatencyTable& table) {
  Columns columns;
  for (const auto& [key, entry] : table.entries()) {
    columns.step.push_back(key.step);
    columns.kernel.push_back(key.kernel);
    columns.weight_bits.push_back(key.bits.weight);
    columns.activation_bits.push_back(key.bits.activation);
    columns.batch.push_back(key.batch);
    columns.threads.push_back(key.threads);
    columns.state.emplace_back(cache_state_name(key.state));
    columns.min_us.push_back(entry.min_us);
    columns.median_us.push_back(entry.median_us);
    columns.spread.push_back(entry.spread);
    columns.runs_per_sample.push_back(entry.runs_per_sample);
    columns.measured_at.push_back(entry.measured_at);
    columns.sample_count.push_back(static_cast<std::int64_t>(entry.samples_us.size()));
    columns.samples_us.insert(columns.samples_us.end(), entry.samples_us.begin(), entry.samples_us.end());
  }
  return columns;
}

/// Calls visit(name, column, unit, description) for every column but those of text.
template <class AnyColumns, class Visit>
void for_each_column(AnyColumns& columns, const Visit& visit) {
  visit("weight_bits", columns.weight_bits, "bit", "bits the weights were packed as; 32 is fp32");
  visit("activation_bits", columns.activation_bits, "bit", "bits of the activations; 32 is fp32");
  visit("batch", columns.batch, "image", "images per call");
  visit("threads", columns.threads, "thread", "threads per call");
  visit("min_us", columns.min_us, "us", "least of the samples");
  visit("median_us", columns.median_us, "us", "median of the samples: the price of one call");
  visit("spread", columns.spread, "1", "(median - min) / min");
  visit("runs_per_sample", columns.runs_per_sample, "call", "calls whose mean is one sample");
  visit("measured_at", columns.measured_at, "s", "seconds since 1970-01-01 UTC");
  visit("sample_count", columns.sample_count, "1", "how many of samples_us are this entry's");
}

void describe(File& file, const std::string& dataset, const char* unit, const char* description) {
  file.set_attribute(dataset, "unit", unit);
  file.set_attribute(dataset, "description", description);
}

void write(File& file, const LatencyTable& table) {
  file.set_attribute("/", "format", kFormat);
  file.set_attribute("/", "version", kVersion);
  file.set_attribute("/", "fingerprint", table.fingerprint());
  file.make_group("provenance");
  for (const TextField& text : kTexts)
    file.set_attribute("provenance", text.name, table.provenance.*text.field);
  for (const SizeField& size : kSizes)
    file.set_attribute("provenance", size.name, table.provenance.*size.field);

  std::vector<double> chain, stream, vectors;
  for (const Canary& canary : table.canaries) {
    chain.push_back(canary.chain_ns);
    stream.push_back(canary.stream_ns);
    vectors.push_back(canary.vector_ns);
  }
  file.write("canaries/chain_ns", chain);
  describe(file, "canaries/chain_ns", "ns",
           "one step of a dependent chain of 64-bit multiplications, per pass");
  file.write("canaries/vector_ns", vectors);
  describe(file, "canaries/vector_ns", "ns",
           "one multiplication and one addition of four fp32 numbers, per pass");
  file.write("canaries/stream_ns", stream);
  describe(file, "canaries/stream_ns", "ns",
           "reading 1 KiB of a 4 MiB buffer, adding up a number of each line, per pass");

  const Columns columns = to_columns(table);
  file.write_strings("entries/step", columns.step);
  describe(file, "entries/step", "", "what was computed: kind, shapes and storages");
  file.write_strings("entries/kernel", columns.kernel);
  describe(file, "entries/kernel", "",
           "row of the kernel table; empty where there is but one implementation");
  file.write_strings("entries/state", columns.state);
  describe(file, "entries/state", "",
           "where weights and activations were: hot, in L2, in L3, in memory, cold");
  for_each_column(columns,
                  [&](const char* name, const auto& column, const char* unit, const char* description) {
                    const std::string dataset = std::string("entries/") + name;
                    file.write(dataset, column);
                    describe(file, dataset, unit, description);
                  });
  file.write("entries/samples_us", columns.samples_us);
  describe(file, "entries/samples_us", "us", "all samples, entry after entry, in the order they were taken");
}

Columns read_columns(const File& file) {
  Columns columns;
  columns.step = file.read_strings("entries/step");
  columns.kernel = file.read_strings("entries/kernel");
  const std::size_t count = columns.step.size();
  columns.state = file.read_strings("entries/state");
  if (columns.kernel.size() != count || columns.state.size() != count)
    refuse(file.path(), "entries/kernel, entries/state and entries/step differ in length");
  for_each_column(columns, [&](const char* name, auto& column, const char*, const char*) {
    using Value = typename std::decay_t<decltype(column)>::value_type;
    column = file.read<Value>(std::string("entries/") + name).values;
    if (column.size() != count)
      refuse(file.path(),
             fmt::format("entries/{} has {} values, entries/step {}", name, column.size(), count));
  });
  columns.samples_us = file.read<double>("entries/samples_us").values;
  return columns;
}

CacheState state_named(const std::filesystem::path& path, const std::string& name) {
  for (const CacheState state :
       {CacheState::hot, CacheState::in_l2, CacheState::in_l3, CacheState::in_memory, CacheState::cold})
    if (cache_state_name(state) == name) return state;
  refuse(path, fmt::format("entries/state: there is no state '{}'", name));
}

bool valid_bits(int bits) { return (bits >= 1 && bits <= 8) || bits == quant::kFloatBits; }

LatencyTable from_columns(const std::filesystem::path& path, const Columns& columns) {
  LatencyTable table;
  std::size_t next = 0;
  for (std::size_t i = 0; i < columns.step.size(); ++i) {
    EntryKey key{columns.step[i],  columns.kernel[i],  {columns.weight_bits[i], columns.activation_bits[i]},
                 columns.batch[i], columns.threads[i], state_named(path, columns.state[i])};
    if (!valid_bits(key.bits.weight) || !valid_bits(key.bits.activation) || key.batch < 1 ||
        key.threads < 1 || columns.runs_per_sample[i] < 1)
      refuse(path, fmt::format("entry {}: bits, batch, threads or runs_per_sample out of range", i));
    const std::int64_t count = columns.sample_count[i];
    if (count < 1 || static_cast<std::uint64_t>(count) > columns.samples_us.size() - next)
      refuse(path, fmt::format("entry {}: {} samples, but samples_us holds {} more", i, count,
                               columns.samples_us.size() - next));
    Entry entry;
    const auto first = columns.samples_us.begin() + static_cast<std::ptrdiff_t>(next);
    entry.samples_us.assign(first, first + count);
    next += static_cast<std::size_t>(count);
    for (double sample : entry.samples_us)
      if (!std::isfinite(sample) || sample < 0)
        refuse(path, fmt::format("entry {}: a sample is not a time", i));
    entry.min_us = columns.min_us[i];
    entry.median_us = columns.median_us[i];
    entry.spread = columns.spread[i];
    entry.runs_per_sample = columns.runs_per_sample[i];
    entry.measured_at = columns.measured_at[i];
    constexpr std::int64_t year_9999 = 253'402'300'799;
    if (entry.measured_at < 0 || entry.measured_at > year_9999)
      refuse(path, fmt::format("entry {}: measured_at is no date", i));
    if (entry.min_us != *std::min_element(entry.samples_us.begin(), entry.samples_us.end()) ||
        entry.median_us != median(entry.samples_us) || !std::isfinite(entry.spread) || entry.spread < 0)
      refuse(path, fmt::format("entry {}: minimum, median or spread contradict the samples", i));
    if (table.find(key) != nullptr)
      refuse(path, fmt::format("entry {} is there twice: {}", i, to_string(key)));
    table.set(std::move(key), std::move(entry));
  }
  if (next != columns.samples_us.size()) refuse(path, "samples_us holds samples of no entry");
  return table;
}

}  // namespace

void save_latency_table(const LatencyTable& table, const std::filesystem::path& path) {
  base::hdf5::write_file(path, [&](File& file) { write(file, table); });
}

LatencyTable load_latency_table(const std::filesystem::path& path) {
  if (base::hdf5::lacks_seal(path))
    refuse(path, "is cut off, or was changed by another program: the checksum at its end is missing");
  const File file = File::open(path);
  if (!file.has_attribute("/", "format") || file.string_attribute("/", "format") != kFormat)
    throw base::UserError(fmt::format("{}: is an HDF5 file, but not a '{}'", path.string(), kFormat));
  if (const std::int64_t version = file.int_attribute("/", "version"); version != kVersion)
    refuse(path,
           fmt::format("is a latency table of layout version {}; this program reads {}", version, kVersion));
  LatencyTable table = from_columns(path, read_columns(file));
  for (const TextField& text : kTexts)
    table.provenance.*text.field = file.string_attribute("provenance", text.name);
  for (const SizeField& size : kSizes)
    table.provenance.*size.field = file.int_attribute("provenance", size.name);
  const auto chain = file.read<double>("canaries/chain_ns").values;
  const auto stream = file.read<double>("canaries/stream_ns").values;
  const auto vectors = file.read<double>("canaries/vector_ns").values;
  if (chain.size() != stream.size() || chain.size() != vectors.size())
    refuse(path, "the datasets of canaries differ in length");
  for (std::size_t i = 0; i < chain.size(); ++i) {
    table.canaries.push_back({chain[i], stream[i], vectors[i]});
    for (const double value : {chain[i], stream[i], vectors[i]})
      if (!std::isfinite(value) || value < 0) refuse(path, fmt::format("canary {} is not a time", i));
  }
  if (table.fingerprint() != file.string_attribute("/", "fingerprint"))
    refuse(path, "its entries are not those it was written with (the fingerprint differs)");
  return table;
}

}  // namespace bitsmith::hwmodels
