#pragma once

#include <string>
#include <string_view>

#include "search/policy_search.hpp"

namespace bitsmith::search {

/// Lines of a journal, each with its newline.
std::string header_line(const std::string& identity);
std::string record_line(const EpisodeRecord& record);

/// A line without its newline: the JSON text of its record. Empty when the checksum does not hold.
std::string_view checked_record(std::string_view line);

/// Throws UserError (what is missing or wrong) for text that is not an episode.
EpisodeRecord parse_record(std::string_view json);

}  // namespace bitsmith::search
