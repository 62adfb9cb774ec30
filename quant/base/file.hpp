#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace bitsmith::base {

/// The whole file as bytes; gzip is recognised by its magic number and unpacked. Throws UserError (path and
/// reason) when it is missing, unreadable, a directory, truncated gzip, or larger than `max_bytes`
/// (unpacked).
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{4} << 30);

/// Replaces `path` by what `write` puts into the temporary path it is given: temporary file beside it, fsync,
/// rename, fsync of the folder. At any moment, kill -9 included, `path` is the old file or the new one,
/// whole. Missing parent folders are made. Throws UserError (path and reason: full disk, read-only ...),
/// leaving the old file as it was.
void replace_file(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path& temporary)>& write);
void replace_file(const std::filesystem::path& path, std::string_view content);

/// Removes temporaries that killed processes left beside `path`.
void remove_stale_temporaries(const std::filesystem::path& path);

}  // namespace bitsmith::base
