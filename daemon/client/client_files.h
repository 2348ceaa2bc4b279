// The browser client, as it was built into the program.
#pragma once

#include <span>
#include <string_view>

namespace wayleave {

struct ClientFile {
    std::string_view name;
    std::string_view bytes;
    std::string_view gzipped;  // the same, compressed (RFC 1952)
};

// They refer to each other by their names: they belong beside each other.
[[nodiscard]] std::span<const ClientFile> client_files();

}  // namespace wayleave
