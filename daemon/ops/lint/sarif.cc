// SARIF 2.1.0, the OASIS standard for what analysis tools find.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "daemon/base/json_writer.h"
#include "daemon/ops/lint/report.h"
#include "dsl/text/catalogue.h"

namespace wayleave {

namespace {

constexpr std::string_view schema = "https://json.schemastore.org/sarif-2.1.0.json";

std::string_view level_of(dsl::Severity severity) {
    return dsl::to_string(severity);  // error, warning and note are SARIF's own words
}

// A path as a URI: absolute paths have the scheme, relative ones are left to the reader of the log.
std::string uri_of(std::string_view path) {
    constexpr std::string_view plain = "-._~/";
    while (path.starts_with("./")) path.remove_prefix(2);
    std::string out = path.starts_with('/') ? "file://" : "";
    for (const char c : path) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (word || plain.find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

std::string artifact(std::string_view path) {
    return fmt::format(R"("artifactLocation":{{"uri":{}}})", json_string(uri_of(path)));
}

std::string region(const dsl::Sources& sources, dsl::Span span) {
    const dsl::Position begin = sources.position(span.file, span.begin);
    const dsl::Position end = sources.position(span.file, span.end);
    return fmt::format(R"({{"startLine":{},"startColumn":{},"endLine":{},"endColumn":{}}})", begin.line,
                       begin.column, end.line, end.column);
}

std::string physical(const dsl::Sources& sources, dsl::Span span) {
    return fmt::format(R"("physicalLocation":{{{},"region":{}}})", artifact(sources.file(span.file).path),
                       region(sources, span));
}

std::string message(std::string_view text) {
    return fmt::format(R"("message":{{"text":{}}})", json_string(text));
}

// `any-origin` to `AnyOrigin`: rules are named like that elsewhere.
std::string pascal(std::string_view name) {
    std::string out;
    bool upper = true;
    for (const char c : name) {
        if (c != '-') out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
        upper = c == '-';
    }
    return out;
}

std::string rule(const dsl::Check& check) {
    const std::string markdown =
        fmt::format("{} {}\n\n**What to do.** {}\n\n```\n{}\n```\n\nBetter:\n\n```\n{}\n```\n", check.means,
                    check.matters, check.todo, check.bad, check.good);
    return fmt::format(
        R"({{"id":{},"name":{},"shortDescription":{{"text":{}}},"fullDescription":{{"text":{}}},)"
        R"("help":{{"text":{},"markdown":{}}},"defaultConfiguration":{{"level":{}}}}})",
        json_string(check.id), json_string(pascal(check.name)), json_string(check.sentence),
        json_string(fmt::format("{} {}", check.means, check.matters)), json_string(dsl::page(check)),
        json_string(markdown), json_string(level_of(check.severity)));
}

std::string head(std::string_view id, std::string_view level) {
    const auto checks = dsl::catalogue();
    const auto it =
        std::find_if(checks.begin(), checks.end(), [&](const auto& check) { return check.id == id; });
    return fmt::format(R"("ruleId":{},"ruleIndex":{},"level":{})", json_string(id), it - checks.begin(),
                       json_string(level));
}

class Results {
  public:
    explicit Results(const LoadedRuntime& loaded) : loaded_(loaded) {}

    void add(const Finding& finding) {
        const std::string place = finding.line == 0
                                      ? std::string()
                                      : fmt::format(R"(,"region":{{"startLine":{},"startColumn":{}}})",
                                                    finding.line, finding.column);
        const std::string locations = finding.file.empty()
                                          ? std::string()
                                          : fmt::format(R"("locations":[{{"physicalLocation":{{{}{}}}}}],)",
                                                        artifact(finding.file), place);
        const std::string text = finding.message + (finding.help.empty() ? "" : "; " + finding.help);
        out_.push_back(fmt::format(R"({{{},{},{}"suppressions":[]}})", head(finding.id, finding.severity),
                                   message(text), locations));
    }

    void add(const dsl::Diagnostic& diagnostic, const std::string* because) {
        std::string text = diagnostic.message;
        if (!diagnostic.primary.text.empty()) text += ": " + diagnostic.primary.text;
        if (!diagnostic.help.empty()) text += "\nhelp: " + diagnostic.help;
        out_.push_back(fmt::format(
            R"({{{},{},"locations":[{{{}}}],"relatedLocations":[{}],"partialFingerprints":{{"statement/v1":{}}},"fixes":[{}],"suppressions":[{}]}})",
            head(diagnostic.id, level_of(diagnostic.severity)), message(text),
            physical(loaded_.sources, diagnostic.primary.span), related(diagnostic), fingerprint(diagnostic),
            fix(diagnostic), suppression(because)));
    }

    [[nodiscard]] const std::vector<std::string>& all() const { return out_; }

  private:
    std::string related(const dsl::Diagnostic& diagnostic) {
        std::string out;
        size_t number = 0;
        for (const dsl::Label& label : diagnostic.secondary) {
            out += fmt::format(R"({}{{"id":{},{},{}}})", out.empty() ? "" : ",", ++number,
                               message(label.text.empty() ? "also here" : label.text),
                               physical(loaded_.sources, label.span));
        }
        return out;
    }

    // Equal statements are numbered, so that each stays an alert of its own.
    std::string fingerprint(const dsl::Diagnostic& diagnostic) {
        static const dsl::Statements none{dsl::ast::File{}};
        const uint64_t hash = dsl::fingerprint(diagnostic.id, diagnostic.primary.span, loaded_.sources,
                                               loaded_.statements ? *loaded_.statements : none);
        return json_string(fmt::format("{:016x}:{}", hash, ++seen_[hash]));
    }

    std::string fix(const dsl::Diagnostic& diagnostic) {
        if (!diagnostic.replacement) return {};
        const auto& [span, text] = *diagnostic.replacement;
        return fmt::format(
            R"({{"description":{{"text":{}}},"artifactChanges":[{{{},"replacements":[{{"deletedRegion":{},"insertedContent":{{"text":{}}}}}]}}]}})",
            json_string("write `" + text + "`"), artifact(loaded_.sources.file(span.file).path),
            region(loaded_.sources, span), json_string(text));
    }

    static std::string suppression(const std::string* because) {
        if (!because) return {};
        return fmt::format(R"({{"kind":"inSource","status":"accepted","justification":{}}})",
                           json_string(*because));
    }

    const LoadedRuntime& loaded_;
    std::map<uint64_t, size_t> seen_;
    std::vector<std::string> out_;
};

}  // namespace

std::string lint_sarif(const LintReport& report, std::string_view version) {
    std::vector<std::string> rules;
    for (const dsl::Check& check : dsl::catalogue()) rules.push_back(rule(check));
    Results results(report.loaded);
    for (const Finding& finding : findings_beside(report)) results.add(finding);
    for (const dsl::Diagnostic& diagnostic : report.loaded.diagnostics.all())
        results.add(diagnostic, nullptr);
    for (const dsl::Suppressed& one : report.loaded.diagnostics.suppressed()) {
        results.add(one.diagnostic, &one.because);
    }
    return fmt::format(
        "{{\"$schema\":\"{}\",\"version\":\"2.1.0\",\"runs\":[{{\"tool\":{{\"driver\":{{\"name\":"
        "\"wayleave\","
        "\"version\":{},\"rules\":[\n{}\n]}}}},\"columnKind\":\"unicodeCodePoints\",\"results\":[\n{}\n]}}]}}"
        "\n",
        schema, json_string(version), fmt::join(rules, ",\n"), fmt::join(results.all(), ",\n"));
}

}  // namespace wayleave
