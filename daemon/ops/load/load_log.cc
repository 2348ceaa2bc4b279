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

Level level_of(dsl::Severity severity) {
    switch (severity) {
        case dsl::Severity::error: return Level::error;
        case dsl::Severity::warning: return Level::warn;
        case dsl::Severity::note: break;
    }
    return Level::info;
}

// Counts the lines, and says at the bound that there are more.
void log_lines(Level level, std::string_view event, std::string_view text, size_t& lines) {
    while (!text.empty() && lines <= most_lines) {
        if (++lines > most_lines) return log_event(level, event, "and more: `wayleave lint` shows all");
        const size_t end = text.find('\n');
        const auto line = text.substr(0, end);
        if (!line.empty()) log_event(level, event, line);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

}  // namespace

void log_lines(std::string_view event, std::string_view text) {
    size_t lines = 0;
    log_lines(Level::error, event, text, lines);
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
    constexpr std::string_view event = "reload-diagnostic";
    size_t lines = 0;
    for (const auto& diagnostic : loaded.diagnostics.all()) {
        const Level level = level_of(diagnostic.severity);
        if (format != LogFormat::json) {
            log_lines(level, event, dsl::render(diagnostic, loaded.sources, false), lines);
        } else {  // for programs: one object each
            log_event(level, event, sentence_of(diagnostic),
                      {{"place", loaded.sources.place(diagnostic.primary.span)}});
        }
    }
    const auto tell = [&](Level level, std::string_view word, const std::string& text) {
        if (format == LogFormat::json) return log_event(level, event, text);
        log_lines(level, event, std::string(word) + text, lines);
    };
    for (const std::string& problem : loaded.problems) tell(Level::error, "error: ", problem);
    for (const std::string& warning : loaded.warnings) tell(Level::warn, "warning: ", warning);
}

}  // namespace wayleave
