// A policy out of a text, and what was said about it.
#pragma once

#include <memory>
#include <string>

#include "dsl/compile/compile.h"
#include "dsl/lint/lint.h"
#include "dsl/syntax/load.h"

namespace wayleave::dsl {

struct Compiled {
    Sources sources;
    Diagnostics diagnostics;
    std::shared_ptr<const Policy> policy;

    explicit Compiled(const std::string& text, bool lint = false) {
        load_text("p.route", text, sources, diagnostics);
        const FileReader files = [](const std::string&) -> Result<std::string> { return failure("none"); };
        if (lint) {
            policy = compile_and_lint(sources, files, {std::nullopt, 20'000}, diagnostics).policy;
        } else {
            policy = compile(sources, files, diagnostics);
        }
    }
    std::string summary() {
        diagnostics.sort();
        std::string out;
        for (const Diagnostic& d : diagnostics.all()) {
            const Position at = sources.position(d.primary.span.file, d.primary.span.begin);
            out += std::string(d.id) + " " + std::to_string(at.line) + ":" + std::to_string(at.column) + " " +
                   d.message + "\n";
        }
        return out;
    }
};

}  // namespace wayleave::dsl
