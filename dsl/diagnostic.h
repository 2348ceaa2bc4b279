// What the compiler has to say about a policy, and how it is shown to a person.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dsl/source.h"

namespace wayleave::dsl {

enum class Severity : uint8_t { error, warning, note };

// A place with a few words about it; the primary one is underlined with ^, the others with -.
struct Label {
    Span span;
    std::string text;
};

struct Diagnostic {
    std::string_view id;  // "E002": stable, never reused
    Severity severity = Severity::error;
    std::string message;
    Label primary;
    std::vector<Label> secondary;
    std::string help;  // what to do; empty when the message says it
};

// Collects diagnostics of one load. Bounded: past `most`, errors are only counted.
class Diagnostics {
  public:
    static constexpr size_t most = 500;

    Diagnostic& error(std::string_view id, Span span, std::string message, std::string label = {},
                      std::string help = {});
    Diagnostic& warning(std::string_view id, Span span, std::string message, std::string label = {},
                        std::string help = {});

    [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }
    [[nodiscard]] size_t errors() const { return errors_; }
    [[nodiscard]] size_t warnings() const { return warnings_; }
    void sort();  // by file and place

  private:
    Diagnostic& add(Severity severity, std::string_view id, Span span, std::string message, std::string label,
                    std::string help);

    std::vector<Diagnostic> all_;
    Diagnostic overflow_;  // swallows what comes after `most`
    size_t errors_ = 0;
    size_t warnings_ = 0;
};

// rustc's layout: header, place, excerpt with carets, help. Ends with a newline.
std::string render(const Diagnostic& diagnostic, const Sources& sources, bool colour);

// All of them and a closing line such as "2 errors, 1 warning"; empty when there are none.
std::string render(const Diagnostics& diagnostics, const Sources& sources, bool colour);

}  // namespace wayleave::dsl
