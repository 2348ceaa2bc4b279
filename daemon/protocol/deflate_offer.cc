#include "daemon/protocol/deflate_offer.h"

#include <algorithm>

namespace wayleave {
namespace {

// RFC 6455 9.1: extension-list = 1#( token *( ";" token [ "=" ( token | quoted-string ) ] ) ), where the
// quoted string unquoted is a token, too.
class ListReader {
  public:
    explicit ListReader(std::string_view text) : rest_(text) { skip_blanks(); }

    [[nodiscard]] bool done() const { return rest_.empty(); }
    [[nodiscard]] bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        skip_blanks();
        return true;
    }
    // Empty where none stands.
    [[nodiscard]] std::string token() {
        const size_t end = rest_.find_first_of(" \t,;=\"");
        std::string out(rest_.substr(0, end));
        rest_.remove_prefix(out.size());
        skip_blanks();
        return is_token(out) ? out : std::string();
    }
    // Empty where none stands, or one that is no value.
    [[nodiscard]] std::string value() {
        if (rest_.empty() || rest_.front() != '"') return token();
        std::string out;
        for (size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] == '"') {
                rest_.remove_prefix(i + 1);
                skip_blanks();
                return is_token(out) ? out : std::string();
            }
            if (rest_[i] == '\\' && ++i == rest_.size()) break;
            out += rest_[i];
        }
        return {};  // it is not closed
    }

  private:
    void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

    std::string_view rest_;
};

// 8 to 15 without leading zeros (7.1.2); 0 is no such number.
uint8_t window_bits(std::string_view text) {
    if (text.size() == 1 && (text[0] == '8' || text[0] == '9')) return static_cast<uint8_t>(text[0] - '0');
    if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5')
        return static_cast<uint8_t>(10 + text[1] - '0');
    return 0;
}

// One offer. `acceptable` falls with the first parameter that declines it; the rest is still read, since it
// may be ill-formed.
class Offer {
  public:
    explicit Offer(std::string_view name) : acceptable_(name == "permessage-deflate") {}

    void parameter(std::string_view name, bool has_value, std::string_view value) {
        if (name == "server_no_context_takeover") return flag(0, has_value);
        if (name == "client_no_context_takeover") return flag(1, has_value);
        if (name == "server_max_window_bits") return server_window(value);
        // What the client promises here we need not repeat (7.1.2.2): any window is understood.
        if (name == "client_max_window_bits") return first(2, !has_value || window_bits(value) != 0);
        acceptable_ = false;
    }
    [[nodiscard]] std::optional<DeflateTerms> terms() const {
        return acceptable_ ? std::optional(terms_) : std::nullopt;
    }

  private:
    void flag(unsigned number, bool has_value) { first(number, !has_value); }
    void server_window(std::string_view value) {
        terms_ = {window_bits(value), true};
        first(3, terms_.window_bits != 0);
    }
    void first(unsigned number, bool well) {
        if (!well || (seen_ & 1U << number) != 0) acceptable_ = false;
        seen_ |= 1U << number;
    }

    bool acceptable_;
    unsigned seen_ = 0;
    DeflateTerms terms_;
};

// False: ill-formed.
bool read_offer(ListReader& list, ExtensionOffers& offers) {
    const std::string name = list.token();
    if (name.empty()) return false;
    Offer offer(name);
    while (list.take(';')) {
        const std::string parameter = list.token();
        if (parameter.empty()) return false;
        const bool has_value = list.take('=');
        const std::string value = has_value ? list.value() : std::string();
        if (has_value && value.empty()) return false;
        offer.parameter(parameter, has_value, value);
    }
    if (!offers.terms) offers.terms = offer.terms();
    return true;
}

// Elements may be empty (RFC 9110 5.6.1.2).
bool read_list(std::string_view text, ExtensionOffers& offers) {
    ListReader list(text);
    while (!list.done()) {
        if (list.take(',')) continue;
        if (!read_offer(list, offers)) return false;
        if (!list.done() && !list.take(',')) return false;
    }
    return true;
}

}  // namespace

ExtensionOffers read_extension_offers(const HttpHead& head) {
    ExtensionOffers offers;
    for (const HttpField& field : head.fields) {
        if (!same_ignoring_case(field.name, "sec-websocket-extensions")) continue;
        if (!read_list(field.value, offers)) return {false, std::nullopt};
    }
    return offers;
}

std::string deflate_answer(const DeflateTerms& terms) {
    std::string out = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    if (terms.window_was_asked) out += "; server_max_window_bits=" + std::to_string(terms.window_bits);
    return out;
}

}  // namespace wayleave
