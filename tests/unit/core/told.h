// What a client was told, in short.
#pragma once

#include <catch2/catch.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/unit/core/gateway_fixture.h"

namespace wayleave::test {

using Told = std::vector<std::string>;

// The text behind `"n":` of each message of a channel, and other words of the server by their type.
inline Told told(World& world, ConnectionId id) {
    Told out;
    for (const std::string& text : world.frames(id)) {
        std::smatch found;
        if (text.starts_with(R"({"$":)")) {
            REQUIRE(std::regex_search(text, found, std::regex("\"n\":(\\w+)")));
            out.push_back(found[1]);
        } else if (std::regex_search(text, found, std::regex("^\\{\"type\":\"(\\$\\w+)\""))) {
            out.push_back(found[1]);
        } else {
            out.push_back(text);
        }
    }
    return out;
}

}  // namespace wayleave::test
