// What the compiler has to say about a policy, and how it is shown to a person.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dsl/text/source.h"

namespace wayleave::dsl {

enum class Severity : uint8_t { error, warning, note };

// A place with a few words about it; the primary one is underlined with ^, the others with -.
struct Label {
    Span span;
    std::string text;
};

// What a machine may write in the place of `span`.
struct Edit {
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
    std::optional<Edit> replacement = std::nullopt;
};

// What somebody wrote not to be told about, and why.
struct Suppressed {
    Diagnostic diagnostic;
    std::string because;
};

// Collects diagnostics of one load. Bounded: past `most`, errors are only counted.
class Diagnostics {
  public:
    static constexpr size_t most = 500;
    using Suppressor = std::function<std::optional<std::string>(std::string_view id, Span)>;  // the reason

    Diagnostic& error(std::string_view id, Span span, std::string message, std::string label = {},
                      std::string help = {});
    Diagnostic& warning(std::string_view id, Span span, std::string message, std::string label = {},
                        std::string help = {});

    Diagnostic& note(std::string_view id, Span span, std::string message, std::string label = {},
                     std::string help = {});
    // An error at a name that nobody knows; `near` is what it probably stands for, or empty.
    Diagnostic& misspelt(std::string_view id, Span span, std::string message, std::string_view near,
                         std::string label = {});

    void adopt(const Diagnostic& other);  // one that was collected elsewhere

    // Warnings and notes that `suppressor` has a reason for are put aside from now on. Errors never are.
    void suppress_by(Suppressor suppressor) { suppressor_ = std::move(suppressor); }

    [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }
    [[nodiscard]] const std::vector<Suppressed>& suppressed() const { return suppressed_; }
    [[nodiscard]] size_t errors() const { return errors_; }
    // How often an error was reported, also one that had been told already: whether something went wrong.
    [[nodiscard]] size_t reported() const { return reported_; }
    [[nodiscard]] size_t warnings() const { return warnings_; }
    [[nodiscard]] size_t notes() const { return notes_; }
    [[nodiscard]] size_t hidden() const { return errors_ + warnings_ + notes_ - all_.size(); }
    void sort();  // by file and place

  private:
    Diagnostic& add(Severity severity, std::string_view id, Span span, std::string message, std::string label,
                    std::string help);
    [[nodiscard]] bool known(const Diagnostic& diagnostic);

    std::vector<Diagnostic> all_;
    std::vector<Suppressed> suppressed_;  // bounded like the others
    // By place, the ids and messages that were told there: see add().
    std::unordered_multimap<uint64_t, std::string> told_;
    Diagnostic overflow_;  // swallows what comes after `most`
    Suppressor suppressor_;
    size_t errors_ = 0;
    size_t reported_ = 0;
    size_t warnings_ = 0;
    size_t notes_ = 0;
};

// rustc's layout: header, place, excerpt with carets, help. Ends with a newline.
std::string render(const Diagnostic& diagnostic, const Sources& sources, bool colour);

// All of them and a closing line such as "2 errors, 1 warning"; empty when there are none.
std::string render(const Diagnostics& diagnostics, const Sources& sources, bool colour);

[[nodiscard]] std::string_view to_string(Severity severity);
[[nodiscard]] std::string counted(size_t n, std::string_view noun);  // "1 error", "2 errors"

}  // namespace wayleave::dsl
