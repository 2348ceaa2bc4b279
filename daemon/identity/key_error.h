// Why a key, or the file that it is in, is not used: what kind of mistake it is, what is wrong, what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "dsl/text/result.h"

namespace wayleave {

struct KeyError {
    enum class Kind : uint8_t {
        unusable,  // the file is not there, or holds something else
        weak,      // a key that can be read: too weak, or of a kind that we do not verify with
        exposed,   // a secret that others can read
    };
    Kind kind = Kind::unusable;
    std::string what;    // "is of a kind that …", behind the key's name or the file's
    std::string remedy;  // may be empty

    // For people: "what; remedy".
    [[nodiscard]] std::string text() const {
        std::string out = what;
        if (!remedy.empty()) out.append("; ").append(remedy);
        if (kind == Kind::exposed) out += " (E017)";  // its page says more
        return out;
    }
    // The same, of a thing with this name: "PATH: what".
    [[nodiscard]] KeyError of(std::string_view name) const {
        return {kind, std::string(name).append(": ").append(what), remedy};
    }
};

template <class T>
using KeyResult = Result<T, KeyError>;
using KeyStatus = KeyResult<Nothing>;

inline Failure<KeyError> unusable(std::string what, std::string remedy = {}) {
    return {{KeyError::Kind::unusable, std::move(what), std::move(remedy)}};
}
inline Failure<KeyError> too_weak(std::string what, std::string remedy) {
    return {{KeyError::Kind::weak, std::move(what), std::move(remedy)}};
}

}  // namespace wayleave
