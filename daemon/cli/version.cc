#include <absl/base/config.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <spdlog/version.h>
#include <sysexits.h>
#include <toml++/toml.h>
#include <tao/pegtl/version.hpp>  // macros alone; the grammar stays in dsl/

#include "daemon/cli/commands.h"
#include "daemon/cli/terminal.h"
#include "daemon/edge/version.h"

namespace wayleave {

namespace {

// As they run, where a library tells; else as they were when this program was built.
std::string versions() {
    std::string out = "wayleave " WAYLEAVE_VERSION "\n\n";
    const auto add = [&](std::string_view name, std::string_view version) {
        out += fmt::format("{:<16} {}\n", name, version);
    };
    for (const auto& [name, version] : edge_library_versions()) add(name, version);
    add("curl", curl_version_info(CURLVERSION_NOW)->version);
    add("spdlog", fmt::format("{}.{}.{} (built with)", SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH));
    add("fmt", fmt::format("{}.{}.{} (built with)", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                           FMT_VERSION % 100));
    add("PEGTL", fmt::format("{} (built with)", TAO_PEGTL_VERSION));
    add("toml++", fmt::format("{}.{}.{} (built with)", TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH));
    add("simdjson",
        fmt::format("{}.{}.{} (built with)", int{simdjson::SIMDJSON_VERSION_MAJOR},
                    int{simdjson::SIMDJSON_VERSION_MINOR}, int{simdjson::SIMDJSON_VERSION_REVISION}));
    add("abseil", fmt::format("{} (built with)", ABSL_LTS_RELEASE_VERSION));
    add("prometheus-cpp", PROMETHEUS_BUILT " (built with)");
    add("rhonabwy", RHONABWY_BUILT " (built with)");
    add("libsystemd", SYSTEMD_BUILT " (built with)");
    return out;
}

}  // namespace

void add_version(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("version", "Print the versions of wayleave and of the libraries it runs on.");
    command->callback([&exit_code] {
        write_text(stdout, versions());
        exit_code = EX_OK;
    });
}

}  // namespace wayleave
