// To whom an answer goes: the client's own name for its message, and the POST that brought it, if one did.
#pragma once

#include <cstdint>
#include <string>

namespace wayleave {

struct ReplyTo {
    std::string id = {};  // JSON text of its `$id`; empty: it has none
    uint64_t relay = 0;  // the POST, by this worker's number for it; 0: it came over the session's connection

    std::string channel = {};  // that it asks for, or to leave; empty: none

    // Whether anybody waits to hear that all went well. To a POST there is always an answer.
    [[nodiscard]] bool wanted() const { return !id.empty() || relay != 0; }
};

}  // namespace wayleave
