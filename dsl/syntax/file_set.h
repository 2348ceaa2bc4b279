// The files of a policy as they stand on disk at one moment. Private to dsl/syntax/load.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dsl/text/result.h"

namespace wayleave::dsl {

struct FileSet {
    struct File {
        std::string path;
        Result<std::string> text;
    };
    std::vector<File> files;  // in the order of their names
    std::string error;        // why there are none
    bool settled = true;      // false: they changed whenever they were looked at
    int waits = 0;            // how often they were too young to be believed
};

struct FileSetBounds {
    size_t file_bytes = 0;
    size_t total_bytes = 0;
    int64_t settle_ms = 0;    // what changed more recently than that may be half written
    int64_t patience_ms = 0;  // and is waited for, that long altogether
};

// A file, or a directory's *.route files. Never some files of one version and some of the next: what changed
// while it was read is read again.
[[nodiscard]] FileSet read_file_set(const std::string& path, const FileSetBounds& bounds);

}  // namespace wayleave::dsl
