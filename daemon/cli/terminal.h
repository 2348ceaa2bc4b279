// What the subcommands share: where the settings are, and how to write to a person.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "daemon/ops/settings/settings.h"
#include "dsl/text/result.h"

namespace wayleave {

constexpr const char* default_config = WAYLEAVE_CONFIG;

// On a terminal, unless NO_COLOR is set (no-color.org) or the terminal is dumb.
[[nodiscard]] bool colour_wanted(FILE* stream);

void write_text(FILE* stream, std::string_view text);

// JSON of the daemon, on standard output: what others have written in it cannot reach into a terminal.
void write_json(std::string_view json);

// "wayleave: TEXT" on standard error.
void complain(std::string_view text);

// The settings, or complaints and the exit code: 66 no file, 77 not readable, 78 wrong.
[[nodiscard]] Result<Settings, int> settings_or_complain(const std::string& path);

}  // namespace wayleave
