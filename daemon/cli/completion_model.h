// What a shell can complete: the commands and options as CLI11 knows them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace wayleave {

struct CompletedOption {
    std::vector<std::string> names;  // "-c", "--config"; the long one is the last
    std::string description;
    std::string value;                 // what it takes, such as FILE; empty: nothing
    std::vector<std::string> choices;  // all that it takes, if that is a list
    bool files = false;                // it takes the name of a file
    bool repeats = false;
};

struct CompletedCommand {
    std::string name;
    std::string description;
    std::vector<CompletedOption> options;
    std::vector<std::string> words;  // that may stand first: commands of its own, and choices
    bool files = false;              // it takes names of files
};

// All but those that help does not show.
[[nodiscard]] std::vector<CompletedCommand> completed_commands(const CLI::App& app);

}  // namespace wayleave
