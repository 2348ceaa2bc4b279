#include "daemon/cli/terminal.h"

#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "daemon/base/escape.h"

namespace wayleave {

bool colour_wanted(FILE* stream) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    if (no_color != nullptr && *no_color != '\0') return false;
    return isatty(fileno(stream)) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

void write_text(FILE* stream, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stream);
}

void write_json(std::string_view json) {
    write_text(stdout, escape_json(json));
}

void complain(std::string_view text) {
    write_text(stderr, "wayleave: ");
    write_text(stderr, text);
    write_text(stderr, "\n");
}

Result<Settings, int> settings_or_complain(const std::string& path) {
    auto settings = load_settings(path);
    if (settings) return std::move(*settings);
    for (const std::string& error : settings.error()) write_text(stderr, error + "\n");
    if (access(path.c_str(), R_OK) == 0) return failure(EX_CONFIG);
    return failure(errno == EACCES ? EX_NOPERM : EX_NOINPUT);
}

}  // namespace wayleave
