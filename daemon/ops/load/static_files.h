// The files of a directory, read into memory to be served for GET. Small by intention: example pages, a
// status page.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "daemon/decision/runtime.h"
#include "dsl/text/result.h"

namespace wayleave {

constexpr size_t max_static_bytes = 16U << 20U;  // all files together
constexpr size_t max_static_files = 1000;

using StaticFiles = std::map<std::string, StaticFile, std::less<>>;

// By the path of the address: DIRECTORY/js/chat.js is "/js/chat.js", DIRECTORY/index.html also "/". Hidden
// files, symbolic links out of the directory and whatever is no regular file are left out; a link within it
// is what it leads to, be that hidden, as in the volumes of Kubernetes. Error: "PATH: what is wrong; remedy".
[[nodiscard]] Result<StaticFiles> load_static_files(const std::string& directory);

// RFC 9110 8.8.3. Of what the file holds, so that it is the same on every server.
[[nodiscard]] std::string etag_of(std::string_view text);

// By the name's ending.
[[nodiscard]] std::string_view content_type_of(std::string_view name);

}  // namespace wayleave
