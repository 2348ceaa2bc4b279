// Comments that ask lint to be silent about the statement that follows:
//     # lint: ignore W301, W403 because "the status page is public"
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "dsl/syntax/statements.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

// One id of such a comment.
struct Suppression {
    std::string_view id;  // from the catalogue
    Span span;            // of the id in the comment
    Span statement;       // what it concerns
    std::string because;
    bool concerns_something = true;  // false: no statement follows in its block
    bool used = false;
};

class Suppressions {
  public:
    // Comments that ask for something impossible (no reason, an unknown id, an error) become W404. Keeps a
    // reference to `statements`.
    Suppressions(const Sources& sources, const Statements& statements, Diagnostics& diagnostics);

    // The reason to be silent about it, if there is one; remembers that it was needed.
    [[nodiscard]] std::optional<std::string> reason(std::string_view id, Span span);

    // N503 for those that hid nothing, of checks that `looked` says were made.
    void report_unused(const std::function<bool(std::string_view id)>& looked,
                       Diagnostics& diagnostics) const;

  private:
    using Key = std::tuple<uint32_t, uint32_t, uint32_t, std::string_view>;
    static Key key(Span statement, std::string_view id) {
        return {statement.file, statement.begin, statement.end, id};
    }

    const Statements& statements_;
    std::vector<Suppression> all_;
    std::map<Key, size_t> by_statement_;
};

}  // namespace wayleave::dsl
