#include "dsl/syntax/mistakes.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "dsl/syntax/recover.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t most_shown = 40;  // bytes of a token in a message

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
char lowered(char c) {
    return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lowered(c); });
    return out;
}

// The character at the place, with all its bytes.
std::string_view character_at(std::string_view text, size_t at) {
    size_t end = at + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    return text.substr(at, end - at);
}

std::string shortened(std::string_view token) {
    if (token.size() <= most_shown) return quoted(token);
    size_t end = most_shown;
    while (end > 0 && (static_cast<unsigned char>(token[end]) & 0xC0) == 0x80) --end;
    return quoted(std::string(token.substr(0, end)) + "…");
}

// An address as far as it goes: up to a blank, a comma or a block.
std::string_view address_at(std::string_view text, size_t at) {
    return text.substr(at, text.find_first_of(" \t\r\n,{", at) - at);
}

struct Foreign {
    std::string_view text, message, help;
};

constexpr std::array foreign_tokens{
    Foreign{";", "`;` has no place here", "a statement ends by itself: remove it"},
    Foreign{"&&", "`&&` is no operator", "write `and`"},
    Foreign{"&", "`&` is no operator", "write `and`"},
    Foreign{"||", "`||` is no operator", "write `or`"},
    Foreign{"|", "`|` is no operator", "write `or`"},
    Foreign{"!=", {}, {}},  // is one
    Foreign{"!", "`!` is no operator", "write `not`"},
    Foreign{"=>", "`=>` is no operator", "write `>=`"},
    Foreign{"=<", "`=<` is no operator", "write `<=`"},
    Foreign{"=~", "there are no regular expressions",
            "`like` matches a whole text with `*` for any part of it"},
    Foreign{"~", "there are no regular expressions",
            "`like` matches a whole text with `*` for any part of it"},
    Foreign{"'", "a string stands in double quotes", "write `\"…\"`"},
    Foreign{"\xE2\x80\x9C", "a string stands in straight quotes", "write `\"…\"`"},
    Foreign{"\xE2\x80\x9D", "a string stands in straight quotes", "write `\"…\"`"},
    Foreign{"\xC2\xA0", "a no-break space", "write a plain one"},
    Foreign{"//", "a comment begins with `#`", {}},
    Foreign{"/*", "a comment begins with `#`", {}},
    Foreign{"$", "environment variables are not read",
            "write the value, or make the file with a program such as envsubst"},
    Foreign{",", "`,` has no place here", "statements and members stand side by side, without commas"},
};

constexpr std::array foreign_words{
    Foreign{"contains", {}, "a member of a set is found with `in`: `\"x\" in user.roles`"},
    Foreign{"includes", {}, "a member of a set is found with `in`: `\"x\" in user.roles`"},
    Foreign{"has", {}, "a member of a set is found with `in`: `\"x\" in user.roles`"},
    Foreign{"matches", {}, "`like` matches a whole text with `*` for any part of it"},
    Foreign{"startswith", {}, "write `like \"start*\"`"},
    Foreign{"endswith", {}, "write `like \"*end\"`"},
    Foreign{"is", {}, "to compare, write `==`"},
    Foreign{"unless", {}, "write `if not`"},
    Foreign{"when", {}, "write `if`"},
    Foreign{"where", {}, "write `if`"},
    Foreign{"permit", {}, "write `allow`"},
    Foreign{"include",
            {},
            "all *.route files of the directory are one policy: put the other file beside this one"},
    Foreign{"import",
            {},
            "all *.route files of the directory are one policy: put the other file beside this one"},
};

std::string without_scheme(std::string_view address) {
    std::string rest = lowered(address.substr(address.find("://") + 3));
    const size_t path = std::min(rest.find('/'), rest.size());
    const size_t port = rest.find(':');
    if (port < path) rest.erase(port, path - port);
    if (rest.find('/') == std::string::npos) rest += '/';
    return rest;
}

// `example.com:8080/x`; not `:tenant.example.com`, nor `:id(int)`.
size_t port_at(std::string_view host) {
    for (size_t i = 1; i + 1 < host.size(); ++i) {
        if (host[i] == ':' && is_digit(host[i + 1])) return i;
    }
    return std::string_view::npos;
}

std::optional<Wording> bad_host(std::string_view address) {
    const size_t slash = std::min(address.find('/'), address.size());
    const std::string_view host = address.substr(0, slash);
    const std::string path(slash < address.size() ? address.substr(slash) : "/");
    const size_t length = address.size();
    if (const size_t port = port_at(host); port != std::string_view::npos) {
        return Wording{
            "an address has no port",
            "write " + quoted(lowered(host.substr(0, port)) + path) + ": ports belong to the listeners",
            length};
    }
    if (std::any_of(host.begin(), host.end(), is_upper)) {
        return Wording{"host names are written in lower case", "write " + quoted(lowered(host) + path),
                       length};
    }
    const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
        return is_lower(c) || is_digit(c) || c == '-' || c == '.' || c == '*';
    });
    if (slash == address.size() && plain) {
        return Wording{"this address has no path", "write " + quoted(std::string(address) + "/"), length};
    }
    return std::nullopt;
}

Wording bad_address_character(std::string_view text, size_t at) {
    switch (text[at]) {
        case '?':
            return {"an address has no query", "read a value of the query with `input … from query \"…\"`",
                    1};
        case '#': return {"`#` cannot stand in an address", "before a comment write a blank", 1};
        case '%':
            return {"`%` cannot stand in an address",
                    "write the character itself: paths are decoded before they are compared", 1};
        case '*': return {"a wildcard fills a whole segment", {}, 1};
        case '/': return {"an address has no empty segment", "write one `/`", 1};
        case '{':
            return {"`{…}` cannot stand in an address",
                    "an address catches a segment with `:name`; a channel uses it with `{name}`",
                    text.find('}', at) + 1 - at};
        case ';': return {"`;` has no place here", "a statement ends by itself: remove it", 1};
        default:
            return {shortened(character_at(text, at)) + " cannot stand here in an address",
                    {},
                    character_at(text, at).size()};
    }
}

// `user/:user.sub`: behind `:user` a dot and a name.
std::string meant_insert(std::string_view text, size_t at) {
    if (text[at] != '.') return {};
    size_t begin = at;
    while (begin > 0 && (is_lower(text[begin - 1]) || is_digit(text[begin - 1]) || text[begin - 1] == '_'))
        --begin;
    if (begin == at || begin == 0 || text[begin - 1] != ':') return {};
    size_t end = at;
    while (end < text.size() &&
           (is_lower(text[end]) || is_digit(text[end]) || text[end] == '_' || text[end] == '.'))
        ++end;
    return end > at + 1 ? std::string(text.substr(begin, end - begin)) : std::string();
}

Wording bad_channel_character(std::string_view text, size_t at) {
    const std::string_view character = character_at(text, at);
    if (const std::string value = meant_insert(text, at); !value.empty())
        return {"`:name` catches a segment; a value is inserted otherwise",
                "write " + quoted("{" + value + "}"), 0};
    if (text[at] == '/') return {"a channel has no empty segment, and does not end in `/`", {}, 1};
    if (text[at] == '*') return {"a wildcard fills a whole segment", {}, 1};
    if (text[at] == '{') return {"an insert fills a whole segment", "before a block write a blank", 1};
    if (text[at] == '#') return {"`#` cannot stand in a channel", "before a comment write a blank", 1};
    if (text[at] == ';') return {"`;` has no place here", "a statement ends by itself: remove it", 1};
    if (!word_at(text, at).empty() || std::string_view(".~@:").find(text[at]) != std::string_view::npos) {
        return {"captures, wildcards and inserts fill a whole segment", {}, 1};
    }
    return {quoted(character) + " cannot stand in a channel",
            "a channel has letters, digits and `._-~@`, and `:` but not first", character.size()};
}

}  // namespace

std::string found(std::string_view text, size_t at) {
    if (at >= text.size()) return "the end of the file";
    if (text[at] == '\n' || text.substr(at, 2) == "\r\n") return "the end of the line";
    if (text[at] == ' ' || text[at] == '\t') return "a blank";
    return shortened(text.substr(at, token_end(text, at) - at));
}

std::optional<Wording> common_mistake(std::string_view text, size_t at) {
    const std::string_view rest = text.substr(std::min(at, text.size()));
    if (rest.starts_with('\r'))
        return Wording{"a carriage return without a line feed", "lines end with LF or CRLF", 1};
    const auto byte = static_cast<unsigned char>(rest.empty() ? ' ' : rest.front());
    const bool blank = byte == ' ' || byte == '\t' || byte == '\n';
    if (!blank && (byte < 0x20 || byte == 0x7F)) return Wording{"a control character", "remove it", 1};
    for (const Foreign& foreign : foreign_tokens) {
        if (!rest.starts_with(foreign.text)) continue;
        if (foreign.message.empty()) return std::nullopt;
        return Wording{std::string(foreign.message), std::string(foreign.help), foreign.text.size()};
    }
    return std::nullopt;
}

std::optional<Wording> foreign_word(std::string_view word) {
    for (const Foreign& foreign : foreign_words) {
        if (word == foreign.text) return Wording{"there is no " + quoted(word), std::string(foreign.help), 0};
    }
    return std::nullopt;
}

bool is_bad_name(std::string_view word) {
    if (word.empty() || is_digit(word.front())) return false;
    return !is_lower(word.front()) ||
           std::any_of(word.begin(), word.end(), [](char c) { return is_upper(c) || c == '-'; });
}

Wording bad_name(std::string_view word) {
    std::string better;
    for (const char c : word) {
        if (is_upper(c) && !better.empty() && is_lower(better.back())) better += '_';
        if (c == '-' || c == '_') {
            if (!better.empty()) better += '_';
        } else {
            better += lowered(c);
        }
    }
    std::string help = "a name has lower-case letters, digits and `_`";
    if (!better.empty() && is_lower(better.front())) help += ": " + quoted(better.substr(0, most_shown));
    return {shortened(word) + " is no name", std::move(help), word.size()};
}

std::optional<Wording> address_mistake(std::string_view text, size_t at, bool inside) {
    if (at >= text.size()) return std::nullopt;
    if (inside) return bad_address_character(text, at);
    const std::string_view address = address_at(text, at);
    if (address.empty()) return std::nullopt;
    if (address.front() == '"' || address.front() == '\'') {
        return Wording{"an address stands without quotes", {}, token_end(text, at) - at};
    }
    if (const size_t scheme = address.find("://"); scheme != std::string_view::npos) {
        return Wording{"an address has no scheme", "write " + quoted(without_scheme(address)),
                       address.size()};
    }
    return bad_host(address);
}

std::optional<Wording> channel_mistake(std::string_view text, size_t at, bool inside) {
    if (at >= text.size()) return std::nullopt;
    if (inside) return bad_channel_character(text, at);
    if (text[at] == '/') return Wording{"a channel does not begin with `/`", {}, 1};
    if (text[at] == '"') return Wording{"a channel stands without quotes", {}, token_end(text, at) - at};
    return std::nullopt;
}

}  // namespace wayleave::dsl
