// What loading a configuration found, in the log.
#pragma once

#include <string_view>

#include "daemon/ops/load/runtime_loader.h"
#include "daemon/ops/log/log.h"

namespace wayleave {

// At level error, a log line for each line: text for a person keeps its shape, so that a caret stands below
// what it points at.
void log_lines(std::string_view event, std::string_view text);

// What a reload has changed: a log line each, up to a bound.
void log_changes(const std::vector<std::string>& changes);

// One log line for each warning.
void log_warnings(const LoadedRuntime& loaded);

// All diagnostics of a reload that was refused, each at its level: with their carets, or for programs (json)
// one line each.
void log_refusal(const LoadedRuntime& loaded, LogFormat format);

}  // namespace wayleave
