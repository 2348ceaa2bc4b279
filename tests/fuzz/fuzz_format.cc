// Any bytes as a policy: what has no mistakes can be formatted, means the same then, and is formatted.
#include <cstdint>
#include <cstdlib>

#include "dsl/format/format.h"
#include "dsl/syntax/load.h"

using namespace wayleave::dsl;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Sources sources;
    Diagnostics diagnostics;
    load_text("a.route", std::string(reinterpret_cast<const char*>(data), size), sources, diagnostics);
    const auto once = format(sources, 0, diagnostics);
    check(once.ok() == (diagnostics.errors() == 0));  // also: it never means something else
    if (!once) return 0;
    check(same_but_for_space(sources.file(0).text, *once));
    const uint32_t again = sources.add("b.route", *once);
    const auto twice = format(sources, again, diagnostics);
    check(twice.ok() && *twice == *once);
    return 0;
}
