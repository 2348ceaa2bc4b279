// What the daemon answered over its control socket, as JSON.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/cli/control_options.h"

namespace wayleave {

struct JsonAnswer {
    std::string raw;
    simdjson::dom::parser parser;
    simdjson::dom::element document;
};

// Complains and gives the exit code where there is no answer, or a refusal: EX_USAGE where the question is
// none, EX_DATAERR where what it names is not there, EX_TEMPFAIL where it is to be asked later.
[[nodiscard]] Result<std::unique_ptr<JsonAnswer>, int> ask_for_json(const ControlAddress& address,
                                                                    const char* method, const char* path,
                                                                    const std::string& body = {});

[[nodiscard]] uint64_t number_of(const simdjson::dom::element& object,
                                 const char* name);  // 0: it is not there

// What an option's value may not be: an empty variable of a script must not mean everybody.
[[nodiscard]] CLI::Validator filled();

// `--format text|json`
void add_format(CLI::App& command, std::string& format);

// "30s", "5m", "2h", "500ms" in milliseconds.
[[nodiscard]] std::string read_duration(const std::string& text, int64_t& ms);  // what is wrong, or nothing
// An option of that kind.
CLI::Option* add_duration(CLI::App& command, const std::string& name, int64_t& ms,
                          const std::string& sentence);

}  // namespace wayleave
