#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "search/policy_search.hpp"

namespace bitsmith::search {

/// The finished episodes of one search, on disk: a text file, one JSON object per line with a checksum (XXH3
/// of the record's bytes), the first of them the header.
///
///   {"checksum":"0123456789abcdef","record":{"journal":"bitsmith search","version":1,"identity":"..."}}
///   {"checksum":"...","record":{"episode":0,"proposed":[[4,8],...],"policy":[[4,8],...],"accuracy":0.91,
///    "cross_entropy":0.25,"reward":-0.01,"costs":[...],"cached":false}}
///
/// Bits are [weight, activation] in the order of the network's layers; numbers are exact; a cross entropy
/// that is not known is null. Appending is durable when it returns. A process killed while it appends leaves
/// a torn last line: it is dropped when the journal is opened again. One process at a time (a lock on the
/// file).
class Journal {
 public:
  /// Opens the journal of the run `identity`, or begins it. Missing folders are made. Throws UserError (path,
  /// line, reason) when the file is no journal, belongs to another run, is damaged before its last line, is
  /// in use by another process, or cannot be read or written.
  Journal(std::filesystem::path path, const std::string& identity);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Those that were on disk when the journal was opened: episodes 0, 1, 2, ...
  std::span<const EpisodeRecord> recorded() const { return recorded_; }

  /// Adds the next episodes, in order, and waits until the disk has them. Throws UserError (path, reason)
  /// when it cannot; the file then ends where it did before, or in a torn line.
  void append(std::span<const EpisodeRecord> episodes);

 private:
  void load(const std::string& text, const std::string& header);
  void write(const std::string& text);
  [[noreturn]] void fail(const std::string& doing) const;

  std::filesystem::path path_;
  int file_ = -1;
  std::vector<EpisodeRecord> recorded_;
  int next_episode_ = 0;
};

}  // namespace bitsmith::search
