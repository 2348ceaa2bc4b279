#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/event_lines.h"
#include "daemon/cli/json_answer.h"

namespace wayleave {

namespace {

struct WhyOptions {
    ControlAddress address;
    std::string format = "text";
    std::string about;
    size_t most = 20;
};

int why(const WhyOptions& options) {
    JsonObject question;
    question.add_if_any("about", options.about).add("most", options.most);
    const auto answer = ask_for_json(options.address, "POST", "/why", question.text());
    if (!answer) return answer.error();
    const simdjson::dom::array refusals = (*answer)->document["refusals"].get_array();
    if (options.format == "json") {
        for (const simdjson::dom::element refusal : refusals) write_json(simdjson::to_string(refusal) + "\n");
        return refusals.size() > 0 ? EX_OK : EX_DATAERR;
    }
    for (const simdjson::dom::element refusal : refusals)
        write_text(stdout, refusal_text(refusal.get_object()));
    const uint64_t count = number_of((*answer)->document, "count");
    if (count > refusals.size())
        complain(fmt::format("these are the last {} of {}; --most shows more", refusals.size(), count));
    if (refusals.size() > 0) return EX_OK;
    std::string_view since;
    const uint64_t forgotten = number_of((*answer)->document, "forgotten");
    if ((*answer)->document["since"].get(since) != simdjson::SUCCESS) {
        complain("nothing was refused since the daemon started");
    } else if (forgotten > 0) {
        complain(
            fmt::format("no refusal of this is kept; the oldest that is kept is of {}, but {} were forgotten "
                        "for others, and this may be among them: look into the log",
                        since, forgotten));
    } else {
        complain(fmt::format("no refusal of this is kept; the oldest that is kept is of {}", since));
    }
    return EX_DATAERR;
}

}  // namespace

void add_why(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("why", "Ask the running daemon what it has refused to whom, and by which line.");
    auto options = std::make_shared<WhyOptions>();
    add_control_options(*command, options->address);
    add_format(*command, options->format);
    command
        ->add_option(
            "ABOUT", options->about,
            "A decision, its place, a session, a user, a route or an address; all of them by default")
        ->check(filled());
    command->add_option("--most", options->most, "How many, the last first")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->footer(
        "The daemon remembers 2048 refusals of users, and as many of others. Of those that are alike it "
        "keeps "
        "the last,\n"
        "with how many there were. A user whose name is a secret claim stands as in the log.\n"
        "Exit status: 0, 65 nothing is known, 69 no daemon answers.");
    command->callback([options, &exit_code] { exit_code = why(*options); });
}

}  // namespace wayleave
