// Which complaints about a policy follow from what could not be read of it.
#pragma once

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "dsl/syntax/ast.h"
#include "dsl/text/diagnostic.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

class Consequences {
  public:
    // `told` are the mistakes of the syntax.
    Consequences(const ast::File& file, const Sources& sources, const Diagnostics& told);

    [[nodiscard]] bool hold(const Diagnostic& diagnostic) const;

  private:
    [[nodiscard]] bool told_there(Span span) const;
    [[nodiscard]] bool named_in_hole(Span span) const;
    [[nodiscard]] bool beside_hole(Span span) const;

    const Sources& sources_;
    std::vector<Span> told_;
    std::set<std::string_view> words_;               // of the holes: what stands there may be declared there
    std::vector<Span> torn_;                         // items with a hole
    bool shared_hole_ = false;                       // something that reaches every route has one
    bool claims_torn_ = false;                       // what says which claims there are
    bool nameless_ = false;                          // something was declared, and its name could not be read
    std::set<std::pair<uint32_t, uint32_t>> lines_;  // file and line of what was told
};

}  // namespace wayleave::dsl
