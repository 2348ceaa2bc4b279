// Reads policy files from disk into Sources: with file_set, the only part of dsl/ that touches the file
// system.
#pragma once

#include <cstdint>
#include <string>

#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

struct LoadLimits {
    size_t file_bytes = 16u << 20;
    size_t total_bytes = 64u << 20;
    // What changed less than that ago may be half written: it is waited for, and what goes on changing is an
    // error.
    int64_t settle_ms = 60;
    int64_t patience_ms = 2000;
};

// Adds `path` to the sources: a file, or a directory whose regular files named *.route are read in the order
// of their names (subdirectories are not entered). Problems become diagnostics E013 (unreadable) and E001
// (not text). A directory without any *.route file is an error: an empty policy refuses everyone, which
// nobody means.
void load_policy(const std::string& path, Sources& sources, Diagnostics& diagnostics,
                 const LoadLimits& limits = {});

// Adds text that is already in memory, with the same checks of its bytes.
void load_text(std::string path, std::string text, Sources& sources, Diagnostics& diagnostics);

}  // namespace wayleave::dsl
