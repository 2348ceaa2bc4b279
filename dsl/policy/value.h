// The values that a policy reasons about, and their types.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wayleave::dsl {

// An IPv6 address; IPv4 is held as ::ffff:a.b.c.d, so that a dual-stack socket's peer equals its IPv4
// spelling.
struct Address {
    std::array<uint8_t, 16> bytes{};

    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] std::string text() const;
    friend auto operator<=>(const Address&, const Address&) = default;
};

// `bits` counts from the start of the 16 bytes: 10.0.0.0/8 has 104.
struct Net {
    Address address;
    uint8_t bits = 128;

    [[nodiscard]] bool contains(const Address& ip) const;
    [[nodiscard]] Address last() const;
    [[nodiscard]] std::string text() const;
    friend auto operator<=>(const Net&, const Net&) = default;
};

// So many events, or bytes, in a period.
struct Rate {
    int64_t count = 0;
    int64_t period_ms = 1000;
    bool bytes = false;

    friend auto operator<=>(const Rate&, const Rate&) = default;
};

enum class Kind : uint8_t { boolean, integer, floating, string, ip, net, size, time, rate, date };
enum class Shape : uint8_t { one, set, list, map };

struct Type {
    Kind kind = Kind::string;
    Shape shape = Shape::one;

    friend bool operator==(Type, Type) = default;
};

[[nodiscard]] std::string to_string(Type type);  // "set of string"
[[nodiscard]] std::string a_type(Type type);     // "a set of string", "an int"

// int, size (bytes), time (milliseconds) and date (days since 1970-01-01) share int64_t: the static type
// tells them apart, and nothing is converted at run time.
using Scalar = std::variant<bool, int64_t, double, std::string, Address, Net, Rate>;

// One value of a connection or of the policy. Sets and lists hold scalars of one kind; sets are sorted.
struct Value {
    std::variant<bool, int64_t, double, std::string, Address, Net, Rate, std::vector<Scalar>> held;

    Value() = default;
    template <class T>
    Value(T value) : held(std::move(value)) {}
    friend bool operator==(const Value&, const Value&) = default;
};

[[nodiscard]] Value to_value(Scalar scalar);
[[nodiscard]] Value empty_value(Type type);           // false, 0, "", an empty set
[[nodiscard]] std::string print(const Value& value);  // for people: logs and explanations

// Textual forms, as in a policy. Empty when the text is not one.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);
[[nodiscard]] std::optional<Net> parse_net(std::string_view text);       // also where host bits are set
[[nodiscard]] Net canonical(Net net);                                    // host bits cleared
[[nodiscard]] std::optional<int64_t> parse_date(std::string_view text);  // days; checks the calendar
[[nodiscard]] std::optional<int64_t> parse_integer(std::string_view text);

}  // namespace wayleave::dsl
