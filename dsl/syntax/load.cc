#include "dsl/syntax/load.h"

#include "dsl/syntax/file_set.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// A diagnostic needs a place; a file that could not be read is an empty source.
void unreadable(const std::string& path, const std::string& why, Sources& sources, Diagnostics& diagnostics) {
    const uint32_t file = sources.add(path, "");
    diagnostics.error("E013", {file, 0, 0}, "cannot read " + printable(path) + ": " + why, {},
                      "check the path and that the user of the daemon may read it");
}

}  // namespace

void load_text(std::string path, std::string text, Sources& sources, Diagnostics& diagnostics) {
    const size_t nul = text.find('\0');
    const size_t broken = first_invalid_utf8(text);
    const bool bom = text.starts_with("\xEF\xBB\xBF");
    const uint32_t file = sources.add(std::move(path), std::move(text));
    const auto at = [&](size_t offset) {
        return Span{file, static_cast<uint32_t>(offset), static_cast<uint32_t>(offset + 1)};
    };
    if (bom) {
        diagnostics.error("E001", {file, 0, 3}, "the file begins with a byte order mark", {},
                          "save it as UTF-8 without BOM");
    }
    if (nul != std::string::npos) {
        diagnostics.error("E001", at(nul), "a NUL byte in a policy file", {}, "policy files are UTF-8 text");
    } else if (broken != std::string::npos) {
        diagnostics.error("E001", at(broken), "this is not valid UTF-8", {}, "policy files are UTF-8 text");
    }
}

void load_policy(const std::string& path, Sources& sources, Diagnostics& diagnostics,
                 const LoadLimits& limits) {
    FileSet set =
        read_file_set(path, {limits.file_bytes, limits.total_bytes, limits.settle_ms, limits.patience_ms});
    if (!set.settled) {
        const uint32_t file = sources.add(path, "");
        diagnostics.error("E013", {file, 0, 0},
                          "cannot read " + path + ": the files change while they are read", {},
                          "try again when they are written");
        return;
    }
    if (!set.error.empty()) return unreadable(path, set.error, sources, diagnostics);
    if (set.files.empty()) {
        const uint32_t file = sources.add(path, "");
        diagnostics.error("E013", {file, 0, 0}, printable(path) + " holds no file named *.route", {},
                          "write one, such as " + printable(path) +
                              "/main.route; files of other names and in subdirectories are not read");
        return;
    }
    for (FileSet::File& file : set.files) {
        if (file.text) {
            load_text(std::move(file.path), std::move(file.text.value()), sources, diagnostics);
        } else {
            unreadable(file.path, file.text.error(), sources, diagnostics);
        }
    }
}

}  // namespace wayleave::dsl
