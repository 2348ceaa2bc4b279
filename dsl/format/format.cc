#include "dsl/format/format.h"

#include <algorithm>

#include "dsl/format/columns.h"
#include "dsl/format/layout.h"
#include "dsl/format/tokens.h"
#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"

namespace wayleave::dsl {
namespace {

bool has_errors(const Diagnostics& diagnostics, uint32_t file) {
    return std::any_of(diagnostics.all().begin(), diagnostics.all().end(), [&](const Diagnostic& one) {
        return one.severity == Severity::error && one.primary.span.file == file;
    });
}

struct Parsed {
    Sources sources;
    Diagnostics diagnostics;
    SyntaxTree tree;

    explicit Parsed(std::string_view text) {
        load_text("policy", std::string(text), sources, diagnostics);
        tree = parse_syntax(sources, 0, diagnostics);
    }
    [[nodiscard]] std::string_view text() const { return sources.file(0).text; }
};

bool same_tree(const SyntaxTree& a, const SyntaxTree& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const SyntaxNode& x, const SyntaxNode& y) {
        return x.kind == y.kind && x.next == y.next;
    });
}

bool same_tokens(const FormatTokens& a, const FormatTokens& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
        if (a[i].comment != b[i].comment || a[i].text != b[i].text) return false;
    }
    return true;
}

std::string laid_out(std::string_view text, const SyntaxTree& tree) {
    FormatTokens tokens(text, tree);
    FormatLayout layout(tokens, tree);
    layout.run();
    align_signs(tokens, layout.aligned());
    align_comments(tokens);
    return tokens.print();
}

}  // namespace

bool same_but_for_space(std::string_view a, std::string_view b) {
    const Parsed x(a);
    const Parsed y(b);
    return x.diagnostics.errors() == 0 && y.diagnostics.errors() == 0 && same_tree(x.tree, y.tree) &&
           same_tokens({x.text(), x.tree}, {y.text(), y.tree});
}

Result<std::string, FormatFault> format(const Sources& sources, uint32_t file, Diagnostics& diagnostics) {
    if (has_errors(diagnostics, file)) return failure(FormatFault::mistakes);
    const size_t before = diagnostics.errors();
    const SyntaxTree tree = parse_syntax(sources, file, diagnostics);
    if (diagnostics.errors() > before) return failure(FormatFault::mistakes);
    const std::string& text = sources.file(file).text;
    std::string out = laid_out(text, tree);
    if (!same_but_for_space(text, out)) return failure(FormatFault::changed);
    return out;
}

}  // namespace wayleave::dsl
