// What a client brought to prove who it is, and what became of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/message/common_place.h"
#include "daemon/message/token_use.h"

namespace wayleave {

struct Credential {
    uint32_t token = 0;   // in Policy::tokens
    uint32_t source = 0;  // in that token's `from`
    std::string text;     // secret: never logged; of a certificate none, since TLS has it
    // It is good, for one use, and all nodes are to know that this is it. `text` is empty then.
    std::optional<TokenUse> use = {};
    // It is none at all: the connection asks for a place among those of all nodes.
    std::optional<PlaceWish> place = {};

    friend bool operator==(const Credential&, const Credential&) = default;
};

struct Proof {
    enum class Kind : uint8_t {
        good,         // the payload is true
        refused,      // it proves nothing
        unavailable,  // who could tell does not answer: nobody comes in on that
        pending,      // it must be asked for: see TokenVerifier::ask
    };

    Kind kind = Kind::refused;
    std::string payload;       // a JSON object of claims, if good
    std::string_view because;  // static: a sentence for the client and the log
    uint64_t key = 0;          // of a signature: which key it was, as TokenVerifier::trusts() knows it
    std::shared_ptr<const HeldPlace> place = nullptr;  // that was asked for, if good

    static Proof good(std::string payload, uint64_t key = 0) {
        return {Kind::good, std::move(payload), {}, key};
    }
    static Proof granted(std::shared_ptr<const HeldPlace> place) {
        return {Kind::good, {}, {}, 0, std::move(place)};
    }
    static Proof refused(std::string_view because) { return {Kind::refused, {}, because}; }
    static Proof unavailable(std::string_view because) { return {Kind::unavailable, {}, because}; }
    static Proof pending() { return {Kind::pending, {}, {}}; }
};

// An answer to a question that was out. It is good for the handshake, or the `$auth`, that asked, and for
// nothing else.
struct AnsweredProof {
    Credential credential;
    Proof proof;
};

}  // namespace wayleave
