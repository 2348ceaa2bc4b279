// The body of a command at the control socket: a JSON object of a few members, each of which is known. Pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "dsl/text/result.h"

namespace wayleave {

class Members {
  public:
    enum class Kind : uint8_t { text, number, flag };  // a number is not negative
    struct Known {
        std::string_view name;
        Kind kind = Kind::text;
    };
    // An empty body is an empty object. A text that is empty is none. Error: for who asked; it names the
    // member.
    [[nodiscard]] static Result<Members> read(std::string_view body, std::initializer_list<Known> known);

    [[nodiscard]] std::string text(std::string_view name) const;  // empty: it is not there
    [[nodiscard]] std::optional<uint64_t> number(std::string_view name) const;
    [[nodiscard]] bool flag(std::string_view name) const;

  private:
    std::map<std::string, std::variant<std::string, uint64_t, bool>, std::less<>> members_;
};

}  // namespace wayleave
