#include <fmt/format.h>
#include <sysexits.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "daemon/base/json_writer.h"
#include "daemon/cli/doctor_observations.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

constexpr int found_doubts = 1;
constexpr int found_bad = 2;

struct DoctorOptions {
    std::string config = default_config;
    std::string format = "text";
};

int64_t this_day() {
    return static_cast<int64_t>(std::time(nullptr)) / 86'400;
}

void show_as_json(const Observation& finding) {
    JsonObject out;
    out.add("state", to_string(finding.state)).add("about", finding.about).add("text", finding.text);
    write_json(out.add_if_any("remedy", finding.remedy).text() + "\n");
}

void show_as_text(const Observation& finding) {
    write_text(stdout, fmt::format("{:<8} {}: {}\n", to_string(finding.state), finding.about, finding.text));
    if (!finding.remedy.empty()) write_text(stdout, fmt::format("{:<8} -> {}\n", "", finding.remedy));
}

std::string counted(size_t number, std::string_view noun) {
    return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

int doctor(const DoctorOptions& options) {
    const auto settings = settings_or_complain(options.config);
    if (!settings) return settings.error();
    const LoadedRuntime loaded = lint_runtime(*settings, this_day());
    Observations all = look_at_policy(*settings, loaded);
    for (Observations more :
         {look_at_machine(*settings), look_at_neighbours(*settings, loaded), look_at_daemon(*settings)})
        all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    Observation::State worst = Observation::State::well;
    for (const Observation& finding : all) {
        options.format == "json" ? show_as_json(finding) : show_as_text(finding);
        worst = std::max(worst, finding.state);
    }
    if (worst == Observation::State::bad) return found_bad;
    return worst == Observation::State::doubt ? found_doubts : EX_OK;
}

}  // namespace

Observations look_at_policy(const Settings& settings, const LoadedRuntime& loaded) {
    using State = Observation::State;
    Observations out;
    if (loaded.errors() > 0) {
        out.push_back({State::bad, "policy",
                       counted(loaded.errors(), "mistake") + " in " + settings.policy_directory,
                       "`wayleave lint` shows them; a key that is given by the service manager needs "
                       "CREDENTIALS_DIRECTORY"});
        return out;
    }
    out.push_back({State::well, "policy", counted(loaded.runtime->policy->routes.size(), "route"), ""});
    const size_t doubts = loaded.diagnostics.warnings() + loaded.warnings.size();
    if (doubts > 0)
        out.push_back({State::doubt, "policy", counted(doubts, "warning"), "`wayleave lint` shows them"});
    const int64_t now_ms = static_cast<int64_t>(std::time(nullptr)) * 1000;
    for (const auto& side : loaded.tls) {
        if (!side) continue;
        for (const TlsSide::Certificate& certificate : side->certificates()) {
            const std::string ending = ending_soon(certificate, now_ms);
            const int64_t days = (certificate.expires_s - now_ms / 1000) / 86'400;
            if (ending.empty()) {
                out.push_back({State::well, "certificate",
                               fmt::format("{} is good for {} days", certificate.path, days), ""});
            } else {
                out.push_back({State::doubt, "certificate", ending, ""});
            }
        }
    }
    return out;
}

void add_doctor(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "doctor",
        "Look at all that the daemon needs: policy, machine, backends, broker, and the daemon itself.");
    auto options = std::make_shared<DoctorOptions>();
    command->add_option("-c,--config", options->config, "Settings file")
        ->type_name("FILE")
        ->capture_default_str();
    add_format(*command, options->format);
    command->footer(
        "It changes nothing, and asks each backend for GET /.\n"
        "Exit status: 0 all is well, 1 warnings, 2 something does not work.");
    command->callback([options, &exit_code] { exit_code = doctor(*options); });
}

}  // namespace wayleave
