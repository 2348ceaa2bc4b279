#include "daemon/cli/json_answer.h"

#include <fmt/format.h>
#include <sysexits.h>

#include <utility>

#include "daemon/base/escape.h"
#include "daemon/ops/settings/value.h"

namespace wayleave {
namespace {

int exit_code_of_refusal(long status) {
    switch (status) {
        case 400: return EX_USAGE;
        case 404:
        case 409: return EX_DATAERR;
        case 503: return EX_TEMPFAIL;
        default: return EX_PROTOCOL;
    }
}

}  // namespace

Result<std::unique_ptr<JsonAnswer>, int> ask_for_json(const ControlAddress& address, const char* method,
                                                      const char* path, const std::string& body) {
    const auto answer = ask_daemon(address, method, path, body);
    if (!answer) return failure(answer.error());
    auto out = std::make_unique<JsonAnswer>();
    out->raw = answer->body;
    if (out->parser.parse(out->raw).get(out->document) != simdjson::SUCCESS) {
        // Without JSON it says only that it ends, or that it took too long.
        const bool later = answer->status == 503;
        complain(later ? "the daemon answers: " +
                             escape_peer_text(answer->body.substr(0, answer->body.find('\n')), 256)
                       : strange_answer(*answer));
        return failure(later ? EX_TEMPFAIL : EX_PROTOCOL);
    }
    if (answer->status == 200) return out;
    std::string_view detail;
    if (out->document["detail"].get(detail) == simdjson::SUCCESS) {
        complain(detail);
    } else {
        complain(strange_answer(*answer));
    }
    return failure(exit_code_of_refusal(answer->status));
}

uint64_t number_of(const simdjson::dom::element& object, const char* name) {
    uint64_t out = 0;
    return object[name].get(out) == simdjson::SUCCESS ? out : 0;
}

CLI::Validator filled() {
    return CLI::Validator([](const std::string& text) { return text.empty() ? "is empty" : ""; }, "");
}

void add_format(CLI::App& command, std::string& format) {
    command.add_option("--format", format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
}

std::string read_duration(const std::string& text, int64_t& ms) {
    const auto time = parse_time(text);
    if (!time || time->count() <= 0) return "is no time; write it like 30s, 5m or 1h";
    ms = time->count();
    return {};
}

CLI::Option* add_duration(CLI::App& command, const std::string& name, int64_t& ms,
                          const std::string& sentence) {
    return command
        .add_option_function<std::string>(
            name, [&ms](const std::string& text) { (void)read_duration(text, ms); }, sentence)
        ->type_name("TIME")
        ->check(CLI::Validator(
            [](const std::string& text) {
                int64_t ignored = 0;
                return read_duration(text, ignored);
            },
            ""));
}

}  // namespace wayleave
