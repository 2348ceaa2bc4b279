#include "dsl/diagnostic.h"

#include <algorithm>
#include <tuple>

#include "dsl/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t widest_line = 160;  // a longer source line is cut around the caret

struct Paint {
    std::string_view bold, red, yellow, blue, reset;
};
constexpr Paint colours{"\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"};
constexpr Paint plain{"", "", "", "", ""};

std::string_view word(Severity severity) {
    switch (severity) {
        case Severity::error: return "error";
        case Severity::warning: return "warning";
        case Severity::note: return "note";
    }
    return "error";
}

bool continues(char c) {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

size_t characters(std::string_view text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

// The line with its marks. `from` and `to` are byte offsets in the line.
void excerpt(std::string& out, std::string_view line, uint32_t number, size_t from, size_t to, char mark,
             const std::string& text, const Paint& paint, std::string_view mark_colour, size_t gutter) {
    from = std::min(from, line.size());
    to = std::clamp(to, from, line.size());
    size_t cut = 0;
    if (line.size() > widest_line && from > widest_line / 2) cut = from - widest_line / 2;
    while (cut > 0 && cut < line.size() && continues(line[cut])) ++cut;
    std::string_view shown = line.substr(cut, widest_line);
    while (!shown.empty() && cut + shown.size() < line.size() && continues(line[cut + shown.size()])) {
        shown.remove_suffix(1);
    }
    const std::string label = std::to_string(number);
    const size_t before = characters(line.substr(cut, from - cut));
    const size_t end = std::min(to, cut + shown.size());
    const size_t width = std::max<size_t>(1, end > from ? characters(line.substr(from, end - from)) : 1);
    out.append(paint.blue).append(gutter - label.size(), ' ').append(label).append(" |").append(paint.reset);
    if (!shown.empty()) out.append(" ").append(printable(shown));
    out.append("\n").append(paint.blue).append(gutter, ' ').append(" |").append(paint.reset).append(" ");
    out.append(before, ' ').append(mark_colour).append(width, mark);
    if (!text.empty()) out.append(" ").append(text);
    out.append(paint.reset).append("\n");
}

std::string counted(size_t n, std::string_view noun) {
    return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

}  // namespace

Diagnostic& Diagnostics::add(Severity severity, std::string_view id, Span span, std::string message,
                             std::string label, std::string help) {
    // A rule in `defaults` is checked once for each route: its mistake is told once.
    for (const Diagnostic& known : all_) {
        if (known.id == id && known.primary.span == span && known.message == message) {
            return overflow_ = Diagnostic{id, severity,       std::move(message), {span, std::move(label)},
                                          {}, std::move(help)};
        }
    }
    (severity == Severity::error ? errors_ : warnings_) += 1;
    Diagnostic diagnostic{id, severity, std::move(message), {span, std::move(label)}, {}, std::move(help)};
    if (all_.size() >= most) return overflow_ = std::move(diagnostic);
    return all_.emplace_back(std::move(diagnostic));
}

Diagnostic& Diagnostics::error(std::string_view id, Span span, std::string message, std::string label,
                               std::string help) {
    return add(Severity::error, id, span, std::move(message), std::move(label), std::move(help));
}

Diagnostic& Diagnostics::warning(std::string_view id, Span span, std::string message, std::string label,
                                 std::string help) {
    return add(Severity::warning, id, span, std::move(message), std::move(label), std::move(help));
}

void Diagnostics::sort() {
    std::stable_sort(all_.begin(), all_.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.primary.span.file, a.primary.span.begin) <
               std::tie(b.primary.span.file, b.primary.span.begin);
    });
}

std::string render(const Diagnostic& diagnostic, const Sources& sources, bool colour) {
    const Paint& paint = colour ? colours : plain;
    const std::string_view tint = diagnostic.severity == Severity::error ? paint.red : paint.yellow;
    std::string out;
    out.append(tint).append(word(diagnostic.severity)).append("[").append(diagnostic.id).append("]");
    out.append(paint.reset).append(paint.bold).append(": ").append(diagnostic.message).append(paint.reset);
    out += '\n';
    if (sources.size() == 0) return out;

    std::vector<std::pair<const Label*, char>> labels{{&diagnostic.primary, '^'}};
    for (const Label& label : diagnostic.secondary) labels.emplace_back(&label, '-');
    size_t gutter = 2;
    for (const auto& [label, mark] : labels) {
        const Position at = sources.position(label->span.file, label->span.begin);
        gutter = std::max(gutter, std::to_string(at.line).size());
    }
    for (const auto& [label, mark] : labels) {
        const Span span = label->span;
        const Position at = sources.position(span.file, span.begin);
        const std::string_view arrow = mark == '^' ? "--> " : "::: ";
        out.append(paint.blue).append(gutter, ' ').append(arrow).append(paint.reset);
        out.append(sources.place(span)).append("\n");
        out.append(paint.blue).append(gutter, ' ').append(" |").append(paint.reset).append("\n");
        const size_t start = sources.file(span.file).line_starts[at.line - 1];
        excerpt(out, sources.line(span.file, at.line), at.line, span.begin - start, span.end - start, mark,
                label->text, paint, mark == '^' ? tint : paint.blue, gutter);
    }
    if (!diagnostic.help.empty()) {
        out.append(paint.blue).append(gutter, ' ').append(" |").append(paint.reset).append("\n");
        out.append(paint.bold)
            .append("help")
            .append(paint.reset)
            .append(": ")
            .append(diagnostic.help)
            .append("\n");
    }
    return out;
}

std::string render(const Diagnostics& diagnostics, const Sources& sources, bool colour) {
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics.all()) {
        out += render(diagnostic, sources, colour);
        out += '\n';
    }
    if (diagnostics.all().empty()) return out;
    const size_t hidden = diagnostics.errors() + diagnostics.warnings() - diagnostics.all().size();
    if (hidden > 0) out += std::to_string(hidden) + " more are not shown\n";
    out += counted(diagnostics.errors(), "error") + ", " + counted(diagnostics.warnings(), "warning") + "\n";
    return out;
}

}  // namespace wayleave::dsl
