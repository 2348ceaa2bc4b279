#include "daemon/ops/lint/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/base/json_writer.h"
#include "dsl/text/catalogue.h"

namespace wayleave {

namespace {

// "…:12:5" loses its numbers.
size_t take_number(std::string& place) {
    const size_t colon = place.rfind(':');
    if (colon == std::string::npos || colon + 1 == place.size() || place.size() - colon > 8) return 0;
    size_t number = 0;
    for (const char c : std::string_view(place).substr(colon + 1)) {
        if (c < '0' || c > '9') return 0;
        number = number * 10 + static_cast<size_t>(c - '0');
    }
    place.resize(colon);
    return number;
}

// "PATH: what; remedy", perhaps with a line, or "PATH:LINE:COLUMN: error: what; remedy" and lines that show
// the place.
Finding finding_of(std::string_view id, std::string_view severity, std::string_view text) {
    constexpr std::string_view mark = ": error: ";
    text = text.substr(0, text.find('\n'));
    const size_t marked = text.find(mark);
    const size_t end = marked != std::string_view::npos ? marked : text.find(": ");
    Finding finding;
    finding.id = id;
    finding.severity = severity;
    if (end == std::string_view::npos) {
        finding.message = std::string(text);
        return finding;
    }
    finding.file = std::string(text.substr(0, end));
    text.remove_prefix(end + (marked != std::string_view::npos ? mark.size() : 2));
    const size_t last = take_number(finding.file);
    const size_t before = last == 0 ? 0 : take_number(finding.file);
    finding.line = before > 0 ? before : last;
    finding.column = before > 0 ? last : std::min<size_t>(last, 1);
    const size_t remedy = text.find("; ");
    finding.message = std::string(text.substr(0, remedy));
    if (remedy != std::string_view::npos) finding.help = std::string(text.substr(remedy + 2));
    return finding;
}

std::string closing_line(const LintReport& report) {
    const dsl::Diagnostics& diagnostics = report.loaded.diagnostics;
    std::string out;
    const size_t notes = diagnostics.notes();
    const size_t suppressed = diagnostics.suppressed().size();
    if (report.errors() + report.warnings() + notes == 0) {
        out = dsl::counted(report.loaded.sources.size(), "file") + ", no errors";
    } else {
        out = dsl::counted(report.errors(), "error") + ", " + dsl::counted(report.warnings(), "warning");
        if (notes > 0) out += ", " + dsl::counted(notes, "note");
    }
    if (suppressed > 0) out += fmt::format(", {} suppressed", suppressed);
    return out + "\n";
}

// --- JSON ---

std::string json_place(const dsl::Sources& sources, dsl::Span span) {
    const dsl::Position begin = sources.position(span.file, span.begin);
    const dsl::Position end = sources.position(span.file, span.end);
    return fmt::format(R"("file":{},"line":{},"column":{},"end":{{"line":{},"column":{}}})",
                       json_string(sources.file(span.file).path), begin.line, begin.column, end.line,
                       end.column);
}

std::string json_head(std::string_view id, std::string_view severity, std::string_view message) {
    const dsl::Check* check = dsl::find_check(id);
    return fmt::format(R"("id":{},"name":{},"severity":{},"message":{})", json_string(id),
                       json_string(check ? check->name : ""), json_string(severity), json_string(message));
}

std::string json_diagnostic(const dsl::Diagnostic& diagnostic, const dsl::Sources& sources,
                            std::string_view because) {
    std::string secondary;
    for (const dsl::Label& label : diagnostic.secondary) {
        if (!secondary.empty()) secondary += ",";
        secondary +=
            fmt::format(R"({{{},"label":{}}})", json_place(sources, label.span), json_string(label.text));
    }
    std::string fix = "null";
    if (diagnostic.replacement) {
        fix = fmt::format(R"({{{},"text":{}}})", json_place(sources, diagnostic.replacement->span),
                          json_string(diagnostic.replacement->text));
    }
    return fmt::format(R"({{{},{},"label":{},"help":{},"secondary":[{}],"fix":{},"suppressed":{}}})",
                       json_place(sources, diagnostic.primary.span),
                       json_head(diagnostic.id, dsl::to_string(diagnostic.severity), diagnostic.message),
                       json_string(diagnostic.primary.text), json_string(diagnostic.help), secondary, fix,
                       because.empty() ? "null" : json_string(because));
}

std::string json_finding(const Finding& finding) {
    const std::string line = finding.line > 0 ? std::to_string(finding.line) : "null";
    const std::string column = finding.line > 0 ? std::to_string(finding.column) : "null";
    return fmt::format(
        R"({{"file":{},"line":{},"column":{},"end":null,{},"label":"","help":{},"secondary":[],"fix":null,"suppressed":null}})",
        json_string(finding.file), line, column, json_head(finding.id, finding.severity, finding.message),
        json_string(finding.help));
}

}  // namespace

std::vector<Finding> findings_beside(const LintReport& report) {
    std::vector<Finding> out;
    for (const std::string& text : report.settings_errors) out.push_back(finding_of("E101", "error", text));
    for (const std::string& text : report.loaded.problems) out.push_back(finding_of("E102", "error", text));
    for (const std::string& text : report.loaded.warnings) out.push_back(finding_of("W121", "warning", text));
    return out;
}

std::string lint_text(const LintReport& report, bool colour) {
    const dsl::Diagnostics& diagnostics = report.loaded.diagnostics;
    std::string out;
    for (const dsl::Diagnostic& diagnostic : diagnostics.all()) {
        out += dsl::render(diagnostic, report.loaded.sources, colour) + "\n";
    }
    for (const std::string& error : report.settings_errors) out += error + "\n\n";
    for (const std::string& problem : report.loaded.problems) out += "error[E102]: " + problem + "\n\n";
    for (const std::string& warning : report.loaded.warnings) out += "warning[W121]: " + warning + "\n\n";
    if (diagnostics.hidden() > 0) out += fmt::format("{} more are not shown\n", diagnostics.hidden());
    return out + closing_line(report);
}

std::string lint_json(const LintReport& report, std::string_view version) {
    const dsl::Diagnostics& diagnostics = report.loaded.diagnostics;
    std::vector<std::string> all;
    for (const Finding& finding : findings_beside(report)) all.push_back(json_finding(finding));
    for (const dsl::Diagnostic& diagnostic : diagnostics.all()) {
        all.push_back(json_diagnostic(diagnostic, report.loaded.sources, ""));
    }
    for (const dsl::Suppressed& one : diagnostics.suppressed()) {
        all.push_back(json_diagnostic(one.diagnostic, report.loaded.sources, one.because));
    }
    return fmt::format(
        "{{\"tool\":\"wayleave\",\"version\":{},\"files\":{},\"errors\":{},\"warnings\":{},\"notes\":{},"
        "\"suppressed\":{},\"not_shown\":{},\"diagnostics\":[{}{}\n]}}\n",
        json_string(version), report.loaded.sources.size(), report.errors(), report.warnings(),
        diagnostics.notes(), diagnostics.suppressed().size(), diagnostics.hidden(), all.empty() ? "" : "\n",
        fmt::join(all, ",\n"));
}

}  // namespace wayleave
