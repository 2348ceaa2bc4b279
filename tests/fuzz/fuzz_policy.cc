// Any bytes as a policy: every diagnostic has a place in the text and can be shown, and what parses without
// one parses again to as many items with Windows line ends.
#include <cstdint>
#include <cstdlib>

#include "dsl/syntax/load.h"
#include "dsl/syntax/parse.h"

using namespace wayleave::dsl;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    size_t items = 0;
    size_t errors = 0;
};

Outcome read(std::string text) {
    Sources sources;
    Diagnostics diagnostics;
    const size_t size = text.size();
    load_text("fuzz.route", std::move(text), sources, diagnostics);
    const ast::File file = parse(sources, diagnostics);
    for (const Diagnostic& one : diagnostics.all()) {
        check(one.primary.span.begin <= one.primary.span.end && one.primary.span.begin <= size);
        check(!one.message.empty() && one.id.size() == 4);
        for (const Label& label : one.secondary) check(label.span.begin <= size);
    }
    check(render(diagnostics, sources, true).empty() == diagnostics.all().empty());
    return {file.items.size(), diagnostics.errors()};
}

std::string windows_lines(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
        out += text[i];
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const Outcome plain = read(text);
    if (plain.errors > 0) return 0;
    const Outcome windows = read(windows_lines(text));
    check(windows.errors == 0 && windows.items == plain.items);
    return 0;
}
