// `--all`: what every node of an installation answers, through the one that is asked.
#pragma once

#include <simdjson.h>

#include <functional>
#include <string>

#include "daemon/cli/control_options.h"

namespace wayleave {

struct NodesQuestion {
    const char* method = "GET";
    const char* path = "";  // as at one daemon
    std::string body = {};
    std::string format = "text";
    // What a daemon answers that shares nothing with others is shown as if it alone had been asked.
    bool alone_as_one = false;
};

// Shows each answer, in text below a line with the node's name. Complains of nodes that have not answered or
// refuse. The exit code: 75 where there is one.
[[nodiscard]] int ask_all_nodes(const ControlAddress& address, const NodesQuestion& question,
                                const std::function<void(const simdjson::dom::element& answer)>& show);

void add_all(CLI::App& command, bool& all);

// What another node has written, for a terminal.
[[nodiscard]] std::string shown_text(const simdjson::dom::element& object, const char* name);

}  // namespace wayleave
