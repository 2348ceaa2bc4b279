#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/base/json_writer.h"
#include "daemon/cli/policy_options.h"
#include "daemon/cli/terminal.h"
#include "dsl/policy/difference.h"

namespace wayleave {

namespace {

constexpr int differs = 1;

struct DiffOptions {
    std::string before;
    std::string after;
    std::string format = "text";
};

std::string lines_json(const std::vector<dsl::Meaning>& lines) {
    JsonArray out;
    for (const dsl::Meaning& line : lines)
        out.raw(JsonObject().add("text", line.text).add("place", line.place).text());
    return out.text();
}

std::string json_of(const std::vector<dsl::SectionChange>& changes) {
    constexpr std::string_view kinds[] = {"added", "removed", "changed"};
    JsonArray out;
    for (const dsl::SectionChange& change : changes) {
        JsonObject one;
        one.add("change", kinds[static_cast<size_t>(change.kind)]).add("block", change.name);
        one.raw("removed", lines_json(change.removed)).raw("added", lines_json(change.added));
        JsonArray consequences;
        for (const std::string& sentence : change.consequences) consequences.raw(json_string(sentence));
        one.add("consequences", consequences);
        out.raw(one.text());
    }
    return JsonObject().add("changes", out).text() + "\n";
}

int diff(const DiffOptions& options) {
    const auto before = policy_or_complain({"", {options.before}}, Purpose::ask);
    if (!before) return before.error();
    const auto after = policy_or_complain({"", {options.after}}, Purpose::ask);
    if (!after) return after.error();
    const auto changes = dsl::difference(*before->runtime->policy, *after->runtime->policy);
    write_text(stdout, options.format == "json" ? json_of(changes) : dsl::text_of(changes));
    return changes.empty() ? EX_OK : differs;
}

}  // namespace

void add_diff(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "diff", "Show what differs in meaning between two policies; order and layout do not count.");
    auto options = std::make_shared<DiffOptions>();
    command->add_option("OLD", options->before, "A file, or a directory of *.route files")
        ->type_name("PATH")
        ->required();
    command->add_option("NEW", options->after, "Likewise")->type_name("PATH")->required();
    command->add_option("--format", options->format, "Form of the output")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command->footer("Exit status: 0 the same, 1 they differ, 2 a policy is broken, 64 wrong usage.");
    command->callback([options, &exit_code] { exit_code = diff(*options); });
}

}  // namespace wayleave
