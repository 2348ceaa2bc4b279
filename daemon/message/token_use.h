// A token that is good for one use, to be used up.
#pragma once

#include <cstdint>
#include <string>

namespace wayleave {

struct TokenUse {
    std::string block;     // the name of its `token`
    std::string id;        // secret
    int64_t until_ms = 0;  // wall time: from then on no copy of it would be admitted
    uint64_t claim = 0;    // of who asks: asked twice, he is no other

    friend bool operator==(const TokenUse& a, const TokenUse& b) {
        return a.block == b.block && a.id == b.id;
    }
};

}  // namespace wayleave
