#include "daemon/ops/load/load_log.h"

#include <fmt/format.h>

#include "daemon/ops/log/log.h"

namespace wayleave {

namespace {

constexpr size_t most_lines = 200;

std::string sentence_of(const dsl::Diagnostic& diagnostic) {
    std::string text = fmt::format("{}: {}", diagnostic.id, diagnostic.message);
    if (!diagnostic.help.empty()) text += "; " + diagnostic.help;
    return text;
}

}  // namespace

void log_lines(std::string_view event, std::string_view text) {
    for (size_t lines = 0; !text.empty(); ++lines) {
        if (lines == most_lines) return log_event(Level::error, event, "and more: `wayleave lint` shows all");
        const size_t end = text.find('\n');
        const auto line = text.substr(0, end);
        if (!line.empty()) log_event(Level::error, event, line);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

void log_changes(const std::vector<std::string>& changes) {
    constexpr size_t most_changes = 500;
    for (size_t i = 0; i < std::min(changes.size(), most_changes); ++i)
        log_report(Level::info, "reload-changed", changes[i]);
    if (changes.size() > most_changes) {
        log_report(Level::info, "reload-changed",
                   fmt::format("and {} more changes; `wayleave diff` tells them of two policies",
                               changes.size() - most_changes));
    }
}

void log_warnings(const LoadedRuntime& loaded) {
    for (const auto& diagnostic : loaded.diagnostics.all()) {
        if (diagnostic.severity != dsl::Severity::warning) continue;
        log_event(Level::warn, "policy-warning", sentence_of(diagnostic),
                  {{"place", loaded.sources.place(diagnostic.primary.span)}});
    }
    for (const std::string& warning : loaded.warnings) log_event(Level::warn, "policy-warning", warning);
}

void log_refusal(const LoadedRuntime& loaded, LogFormat format) {
    if (format != LogFormat::json) return log_lines("reload-diagnostic", loaded.render(false));
    for (const auto& diagnostic : loaded.diagnostics.all()) {  // for programs: one object each
        log_event(Level::error, "reload-diagnostic", sentence_of(diagnostic),
                  {{"place", loaded.sources.place(diagnostic.primary.span)}});
    }
    for (const std::string& problem : loaded.problems) log_event(Level::error, "reload-diagnostic", problem);
}

}  // namespace wayleave
