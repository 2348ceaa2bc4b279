// The one style of policy files: the same tokens and comments with other white space between them.
#pragma once

#include <string>

#include "dsl/text/diagnostic.h"
#include "dsl/text/result.h"
#include "dsl/text/source.h"

namespace wayleave::dsl {

enum class FormatFault {
    mistakes,  // the text is no policy; the diagnostics say why
    changed,   // a bug: the result would not mean the same, and is not given
};

// One file of `sources`. Pure. A file whose loading was an error is refused, too.
[[nodiscard]] Result<std::string, FormatFault> format(const Sources& sources, uint32_t file,
                                                      Diagnostics& diagnostics);

// Whether two texts without mistakes differ in nothing but white space, and are the same tree.
[[nodiscard]] bool same_but_for_space(std::string_view a, std::string_view b);

}  // namespace wayleave::dsl
