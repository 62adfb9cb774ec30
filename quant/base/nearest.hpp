#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsmith::base {

/// Number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
/// string alignment), letters compared without case.
int edit_distance(std::string_view a, std::string_view b);

/// The candidate a user most likely meant: smallest edit distance, at most 2 (3 for names longer than 8),
/// ties to the earlier one; a candidate that starts with `name` (3 letters or more) counts as distance 2.
/// Empty when none is near.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

/// ", did you mean 'X'?" or nothing: what an error message ends with.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

/// "a, b, c": the allowed names in an error message.
std::string join_names(std::span<const std::string> names, std::string_view separator = ", ");

}  // namespace bitsmith::base
