#include "tests/support/slow_values.h"

#include <cstdio>
#include <limits>

namespace wayleave::tests {
namespace {

using namespace dsl;

bool digit(char c) {
    return c >= '0' && c <= '9';
}
bool lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool hex(char c) {
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

template <class Predicate>
bool all(std::string_view text, Predicate predicate) {
    for (const char c : text) {
        if (!predicate(c)) return false;
    }
    return !text.empty();
}

bool bit(const Address& address, size_t i) {
    return (address.bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

bool starts_alike(const Address& a, const Address& b, size_t bits) {
    for (size_t i = 0; i < bits; ++i) {
        if (bit(a, i) != bit(b, i)) return false;
    }
    return true;
}

using Set = std::vector<Scalar>;

Value whole(const Scalar& scalar) {
    return std::visit([](const auto& held) { return Value(held); }, scalar);
}

// An address is the net of itself.
Net net_of(const Value& value) {
    if (const auto* net = std::get_if<Net>(&value.held)) return *net;
    return {std::get<Address>(value.held), 128};
}

bool is_address(const Value& value) {
    return std::holds_alternative<Net>(value.held) || std::holds_alternative<Address>(value.held);
}

bool within(const Value& inner, const Value& outer) {
    const Net a = net_of(inner);
    const Net b = net_of(outer);
    return a.bits >= b.bits && starts_alike(a.address, b.address, b.bits);
}

bool is_in(const Value& left, const Value& right) {
    if (const auto* set = std::get_if<Set>(&right.held)) {
        for (const Scalar& element : *set) {
            if (is_address(left) ? within(left, whole(element)) : left == whole(element)) return true;
        }
        return false;
    }
    return within(left, right);
}

bool overlap(const Value& left, const Value& right) {
    for (const Scalar& a : std::get<Set>(left.held)) {
        for (const Scalar& b : std::get<Set>(right.held)) {
            if (a == b) return true;
        }
    }
    return false;
}

bool less(const Value& left, const Value& right) {
    if (const auto* number = std::get_if<double>(&left.held)) return *number < std::get<double>(right.held);
    return std::get<int64_t>(left.held) < std::get<int64_t>(right.held);
}

bool is_uuid(std::string_view text) {
    const std::vector<std::string> parts = slow_split(text, '-');
    const size_t lengths[] = {8, 4, 4, 4, 12};
    if (parts.size() != 5) return false;
    for (size_t i = 0; i < 5; ++i) {
        if (parts[i].size() != lengths[i] || !all(parts[i], hex)) return false;
    }
    return true;
}

// 9223372036854775807 is the last that fits.
bool is_integer(std::string_view text) {
    if (!all(text, digit)) return false;
    while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
    const std::string most = std::to_string(std::numeric_limits<int64_t>::max());
    return text.size() < most.size() || (text.size() == most.size() && text <= most);
}

bool is_date(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
    for (size_t i = 0; i < 10; ++i) {
        if (i != 4 && i != 7 && !digit(text[i])) return false;
    }
    const int year = std::stoi(std::string(text.substr(0, 4)));
    const int month = std::stoi(std::string(text.substr(5, 2)));
    const int day = std::stoi(std::string(text.substr(8, 2)));
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    const int days[] = {31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

}  // namespace

bool slow_glob(std::string_view pattern, std::string_view text) {
    // reached[i]: the pattern so far can match the first i bytes.
    std::vector<bool> reached(text.size() + 1, false);
    reached[0] = true;
    for (const char c : pattern) {
        std::vector<bool> next(text.size() + 1, false);
        for (size_t i = 0; i <= text.size(); ++i) {
            if (c == '*') next[i] = reached[i] || (i > 0 && next[i - 1]);
            if (c != '*' && i > 0) next[i] = reached[i - 1] && text[i - 1] == c;
        }
        reached = next;
    }
    return reached[text.size()];
}

bool slow_compare(ast::CompareOp op, const Value& left, const Value& right) {
    switch (op) {
        case ast::CompareOp::eq: return left == right;
        case ast::CompareOp::ne: return !(left == right);
        case ast::CompareOp::lt: return less(left, right);
        case ast::CompareOp::le: return less(left, right) || left == right;
        case ast::CompareOp::gt: return less(right, left);
        case ast::CompareOp::ge: return less(right, left) || left == right;
        case ast::CompareOp::in: return is_in(left, right);
        case ast::CompareOp::like:
            return slow_glob(std::get<std::string>(right.held), std::get<std::string>(left.held));
        case ast::CompareOp::overlaps: return overlap(left, right);
    }
    return false;
}

bool slow_segment(std::string_view segment) {
    const auto fits = [](char c) {
        return lower(c) || upper(c) || digit(c) ||
               std::string_view("._-~@:=").find(c) != std::string_view::npos;
    };
    return all(segment, fits) && segment[0] != ':' && segment != "." && segment != "..";
}

std::string slow_escape(const std::string& value) {
    std::string out;
    for (const char c : value) {
        std::string piece(1, c);
        const bool alone = value == "." || value == "..";
        if (alone || c == '=' || !slow_segment("a" + piece) || (out.empty() && c == ':')) {
            char hex[4];
            std::snprintf(hex, sizeof hex, "=%02X", static_cast<unsigned char>(c));
            piece = hex;
        }
        out += piece;
    }
    return out;
}

bool slow_capture(std::string_view type, std::string_view segment) {
    if (type == "int") return is_integer(segment);
    if (type == "hex") return all(segment, hex);
    if (type == "uuid") return is_uuid(segment);
    if (type == "date") return is_date(segment);
    if (type == "slug")
        return all(segment, [](char c) { return lower(c) || digit(c) || c == '-' || c == '_'; });
    return !segment.empty();
}

std::vector<std::string> slow_split(std::string_view text, char separator) {
    std::vector<std::string> out{""};
    for (const char c : text) {
        if (c == separator) {
            out.emplace_back();
        } else {
            out.back() += c;
        }
    }
    return out;
}

Net slow_subnet(const Address& ip) {
    bool v4 = ip.bytes[10] == 0xFF && ip.bytes[11] == 0xFF;
    for (size_t i = 0; i < 10; ++i) v4 = v4 && ip.bytes[i] == 0;
    Net out{ip, static_cast<uint8_t>(v4 ? 120 : 56)};
    for (size_t i = out.bits / 8u; i < 16; ++i) out.address.bytes[i] = 0;
    return out;
}

}  // namespace wayleave::tests
