#include "dsl/text/diagnostic.h"

#include <algorithm>
#include <tuple>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t widest_line = 160;  // a longer source line is cut around the caret

struct Paint {
    std::string_view bold, red, yellow, blue, reset;
};
constexpr Paint colours{"\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"};
constexpr Paint plain{"", "", "", "", ""};

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

uint64_t place_key(Span span) {
    return (uint64_t{span.file} << 40) ^ (uint64_t{span.begin} << 8) ^ span.end;
}

}  // namespace

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::error: return "error";
        case Severity::warning: return "warning";
        case Severity::note: return "note";
    }
    return "error";
}

std::string counted(size_t n, std::string_view noun) {
    return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

// A rule in `defaults` is checked once for each route: its mistake is told once.
bool Diagnostics::known(const Diagnostic& diagnostic) {
    const uint64_t key = place_key(diagnostic.primary.span);
    const std::string text = std::string(diagnostic.id) + diagnostic.message;
    const auto [begin, end] = told_.equal_range(key);
    if (std::any_of(begin, end, [&](const auto& entry) { return entry.second == text; })) return true;
    if (told_.size() < 4 * most) told_.emplace(key, text);
    return false;
}

void Diagnostics::adopt(const Diagnostic& other) {
    Diagnostic& added =
        add(other.severity, other.id, other.primary.span, other.message, other.primary.text, other.help);
    added.secondary = other.secondary;
    added.replacement = other.replacement;
}

Diagnostic& Diagnostics::add(Severity severity, std::string_view id, Span span, std::string message,
                             std::string label, std::string help) {
    Diagnostic diagnostic{id, severity,        std::move(message), {span, std::move(label)},
                          {}, std::move(help), std::nullopt};
    if (severity == Severity::error) ++reported_;
    if (known(diagnostic)) return overflow_ = std::move(diagnostic);
    if (severity != Severity::error && suppressor_) {
        if (auto because = suppressor_(id, span)) {
            if (suppressed_.size() >= most) return overflow_ = std::move(diagnostic);
            return suppressed_.emplace_back(Suppressed{std::move(diagnostic), std::move(*because)})
                .diagnostic;
        }
    }
    (severity == Severity::error ? errors_ : severity == Severity::warning ? warnings_ : notes_) += 1;
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

Diagnostic& Diagnostics::note(std::string_view id, Span span, std::string message, std::string label,
                              std::string help) {
    return add(Severity::note, id, span, std::move(message), std::move(label), std::move(help));
}

Diagnostic& Diagnostics::misspelt(std::string_view id, Span span, std::string message, std::string_view near,
                                  std::string label) {
    Diagnostic& diagnostic = error(id, span, std::move(message), std::move(label),
                                   near.empty() ? "" : "did you mean " + quoted(near) + "?");
    if (!near.empty()) diagnostic.replacement = Edit{span, std::string(near)};
    return diagnostic;
}

void Diagnostics::sort() {
    const auto before = [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.primary.span.file, a.primary.span.begin, a.id) <
               std::tie(b.primary.span.file, b.primary.span.begin, b.id);
    };
    std::stable_sort(all_.begin(), all_.end(), before);
    std::stable_sort(suppressed_.begin(), suppressed_.end(), [&](const Suppressed& a, const Suppressed& b) {
        return before(a.diagnostic, b.diagnostic);
    });
}

std::string render(const Diagnostic& diagnostic, const Sources& sources, bool colour) {
    const Paint& paint = colour ? colours : plain;
    const std::string_view tint = diagnostic.severity == Severity::error     ? paint.red
                                  : diagnostic.severity == Severity::warning ? paint.yellow
                                                                             : paint.blue;
    std::string out;
    out.append(tint).append(to_string(diagnostic.severity)).append("[").append(diagnostic.id).append("]");
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
    if (diagnostics.hidden() > 0) out += std::to_string(diagnostics.hidden()) + " more are not shown\n";
    out += counted(diagnostics.errors(), "error") + ", " + counted(diagnostics.warnings(), "warning") + "\n";
    return out;
}

}  // namespace wayleave::dsl
