// The completions of the shells, written from the command line's own definition.
#include <fmt/format.h>
#include <sysexits.h>

#include <memory>

#include "daemon/cli/commands.h"
#include "daemon/cli/completion_model.h"
#include "daemon/cli/terminal.h"

namespace wayleave {

namespace {

using CompletedCommands = std::vector<CompletedCommand>;

std::string all_names(const CompletedCommands& commands) {
    std::string out;
    for (const CompletedCommand& command : commands) out += (out.empty() ? "" : " ") + command.name;
    return out;
}

std::string in_single_quotes(std::string_view text) {
    std::string out = "'";
    for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
    return out + "'";
}

// --- bash ---

std::string bash_value(const CompletedOption& option) {
    if (option.files) return "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
    if (option.choices.empty()) return ":";
    return fmt::format("mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$cur\")",
                       fmt::join(option.choices, " "));
}

std::string bash_of(const CompletedCommand& command, std::string& values) {
    std::string words;
    for (const CompletedOption& option : command.options) {
        words += option.names.back() + " ";
        if (option.value.empty()) continue;
        std::string patterns;
        for (const std::string& name : option.names)
            patterns += (patterns.empty() ? "" : " | ") + command.name + ":" + name;
        values += fmt::format("        {}) {}; return ;;\n", patterns, bash_value(option));
    }
    for (const std::string& word : command.words) words += word + " ";
    words.pop_back();
    return fmt::format("        {}) words=\"{}\"{} ;;\n", command.name, words,
                       command.files ? " files=1" : "");
}

std::string bash_completions(const CompletedCommands& commands) {
    std::string values;
    std::string cases;
    for (const CompletedCommand& command : commands) cases += bash_of(command, values);
    return fmt::format(R"(# bash completion for wayleave, made by `wayleave completions bash`
_wayleave() {{
    local cur prev command="" word words="" files=""
    cur=${{COMP_WORDS[COMP_CWORD]}}
    prev=${{COMP_WORDS[COMP_CWORD - 1]}}
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
            -*) ;;
            *)
                command=$word
                break
                ;;
        esac
    done
    case $command:$prev in
{}    esac
    case $command in
        "") words="{} --help --version" ;;
{}    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [[ $files && $cur != -* ]]; then
        local paths
        mapfile -t paths < <(compgen -f -- "$cur")
        COMPREPLY+=("${{paths[@]}}")
    fi
}}
complete -o filenames -F _wayleave wayleave
)",
                       values, all_names(commands), cases);
}

// --- zsh ---

// A colon ends a part of an _arguments specification, a bracket the description.
std::string for_zsh(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::string zsh_value(const CompletedOption& option) {
    if (option.value.empty()) return {};
    std::string action;
    if (option.files) action = "_files";
    if (!option.choices.empty()) action = fmt::format("({})", fmt::join(option.choices, " "));
    return ":" + for_zsh(option.value) + ":" + action;
}

std::string zsh_option(const CompletedOption& option) {
    const std::string what = "[" + for_zsh(option.description) + "]" + zsh_value(option);
    if (option.repeats) return in_single_quotes("*" + option.names.back() + what);
    if (option.names.size() < 2) return in_single_quotes(option.names.back() + what);
    return fmt::format("'({})'{{{}}}{}", fmt::join(option.names, " "), fmt::join(option.names, ","),
                       in_single_quotes(what));
}

std::string zsh_of(const CompletedCommand& command) {
    std::string out = fmt::format("                {})\n                    _arguments", command.name);
    for (const CompletedOption& option : command.options)
        out += " \\\n                        " + zsh_option(option);
    if (!command.words.empty())
        out += fmt::format(" \\\n                        '1:word:({})'", fmt::join(command.words, " "));
    if (command.files) out += " \\\n                        '*:path:_files'";
    return out + " ;;\n";
}

std::string zsh_completions(const CompletedCommands& commands) {
    std::string names;
    std::string cases;
    for (const CompletedCommand& command : commands) {
        names +=
            fmt::format("        {}\n", in_single_quotes(command.name + ":" + for_zsh(command.description)));
        cases += zsh_of(command);
    }
    return fmt::format(R"(#compdef wayleave
# Made by `wayleave completions zsh`.

_wayleave() {{
    local -a commands
    commands=(
{}    )
    local context state line
    _arguments -C '--help[Print the help]' '--version[Print the version]' '1:command:->command' '*::argument:->argument'
    case $state in
        command) _describe command commands ;;
        argument)
            case $words[1] in
{}            esac
            ;;
    esac
}}

_wayleave "$@"
)",
                       names, cases);
}

// --- fish ---

std::string fish_option(const CompletedCommand& command, const CompletedOption& option) {
    std::string out = fmt::format("complete -c wayleave -n \"__fish_seen_subcommand_from {}\"", command.name);
    for (const std::string& name : option.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    if (option.files)
        out += " -r -F";
    else if (!option.choices.empty())
        out += fmt::format(" -x -a \"{}\"", fmt::join(option.choices, " "));
    else if (!option.value.empty())
        out += " -x";
    return out + " -d " + in_single_quotes(option.description) + "\n";
}

std::string fish_completions(const CompletedCommands& commands) {
    std::string out = fmt::format(
        "# fish completion for wayleave, made by `wayleave completions fish`\n"
        "set -l commands {}\ncomplete -c wayleave -f\n",
        all_names(commands));
    for (const CompletedCommand& command : commands) {
        out +=
            fmt::format("complete -c wayleave -n \"not __fish_seen_subcommand_from $commands\" -a {} -d {}\n",
                        command.name, in_single_quotes(command.description));
        if (!command.words.empty())
            out += fmt::format("complete -c wayleave -n \"__fish_seen_subcommand_from {}\" -a \"{}\"\n",
                               command.name, fmt::join(command.words, " "));
        if (command.files)
            out +=
                fmt::format("complete -c wayleave -n \"__fish_seen_subcommand_from {}\" -F\n", command.name);
        for (const CompletedOption& option : command.options) out += fish_option(command, option);
    }
    return out;
}

void print_completions(const CLI::App& app, const std::string& shell) {
    const CompletedCommands commands = completed_commands(app);
    write_text(stdout, shell == "bash"  ? bash_completions(commands)
                       : shell == "zsh" ? zsh_completions(commands)
                                        : fish_completions(commands));
}

}  // namespace

// Not shown by help: packages call it, people find what it makes installed.
void add_completions(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("completions", "Print the completions for a shell.");
    command->group("");
    auto shell = std::make_shared<std::string>();
    command->add_option("SHELL", *shell, "Which one")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&app, shell, &exit_code] {
        print_completions(app, *shell);
        exit_code = EX_OK;
    });
}

}  // namespace wayleave
