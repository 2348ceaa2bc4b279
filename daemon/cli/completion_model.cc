#include "daemon/cli/completion_model.h"

#include <algorithm>
#include <string_view>

namespace wayleave {

namespace {

bool names_files(std::string_view type) {
    return type == "FILE" || type == "PATH";
}

// CLI11 writes the choices of IsMember behind the type: "TEXT:{text,json}".
std::vector<std::string> choices_in(const std::string& type) {
    std::vector<std::string> out;
    const size_t begin = type.find('{');
    const size_t end = type.find('}', begin);
    if (begin == std::string::npos || end == std::string::npos) return out;
    for (size_t at = begin + 1; at < end;) {
        const size_t comma = std::min(type.find(',', at), end);
        out.push_back(type.substr(at, comma - at));
        at = comma + 1;
    }
    return out;
}

CompletedOption completed_option(const CLI::Option& option) {
    CompletedOption out;
    for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
    out.description = option.get_description();
    if (option.get_items_expected_max() == 0) return out;
    const std::string type = option.get_type_name();
    out.value = type.substr(0, type.find(':'));
    out.choices = choices_in(type);
    out.files = names_files(out.value);
    out.repeats = option.get_items_expected_max() > 2;
    return out;
}

void add_options(const CLI::App& app, CompletedCommand& out) {
    for (const CLI::Option* option : app.get_options()) {
        if (!option->nonpositional()) {
            const std::string type = option->get_type_name();
            out.files = out.files || names_files(type.substr(0, type.find(':'))) ||
                        names_files(option->get_name(true));
            for (std::string& word : choices_in(type)) out.words.push_back(std::move(word));
        } else {
            out.options.push_back(completed_option(*option));
        }
    }
    for (const CLI::App* inner : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (inner->get_name().empty())
            add_options(*inner, out);  // a group
        else
            out.words.push_back(inner->get_name());
    }
}

}  // namespace

std::vector<CompletedCommand> completed_commands(const CLI::App& app) {
    std::vector<CompletedCommand> out;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (command->get_group().empty()) continue;
        CompletedCommand& one = out.emplace_back();
        one.name = command->get_name();
        one.description = command->get_description();
        add_options(*command, one);
    }
    return out;
}

}  // namespace wayleave
