#include "daemon/message/backend_reply.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "daemon/base/json_text.h"

namespace wayleave {
namespace {

constexpr size_t longest_error = 64;
constexpr size_t longest_because = 1024;
constexpr size_t longest_close_because = 120;  // a close frame holds 123 bytes
constexpr int64_t longest_retry_s = 24 * 3600;
constexpr double longest_belief_s = 24 * 3600;

using Wrong = std::optional<std::string>;

BackendReply unavailable(std::string why) {
    BackendReply out;
    out.kind = BackendReply::Kind::unavailable;
    out.because = std::move(why);
    return out;
}

// A word such as `too_late`, as reasons are.
bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= longest_error && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    });
}

bool is_sentence(std::string_view text, size_t most) {
    return text.size() <= most &&
           std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// Without the blanks between tokens, which events and frames have no use for.
std::string minified(std::string_view json) {
    std::string out(json.size(), '\0');
    size_t size = 0;
    if (simdjson::minify(json.data(), json.size(), out.data(), size) != simdjson::SUCCESS) return {};
    out.resize(size);
    return out;
}

// The texts of an array's elements, as they stand in `json`, which is that array.
Wrong split(std::string_view json, bool objects, std::string_view name, std::vector<std::string>& out) {
    const simdjson::padded_string padded(json);
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    simdjson::ondemand::array array;
    const std::string sentence =
        "`" + std::string(name) + "` is a list of " + (objects ? "objects" : "channels");
    if (parser.iterate(padded).get(document) || document.get_array().get(array)) return sentence;
    for (auto element : array) {
        simdjson::ondemand::object object;
        std::string_view raw;
        if (objects) {
            if (element.get_object().get(object) || object.raw_json().get(raw)) return sentence;
        } else if (element.get_string().get(raw)) {
            return sentence;
        }
        out.emplace_back(raw);
    }
    return std::nullopt;
}

Wrong read_close_member(std::string_view key, simdjson::dom::element value, OrderedClose& close) {
    std::string_view text;
    uint64_t code = 0;
    if (key == "code" && value.get(code) == simdjson::SUCCESS) {
        close.code = static_cast<uint16_t>(std::min<uint64_t>(code, UINT16_MAX));
    } else if (key == "because" && value.get(text) == simdjson::SUCCESS &&
               is_sentence(text, longest_close_because)) {
        close.because = text;
    } else if (key != "reconnect" || value.get(close.reconnect) != simdjson::SUCCESS) {
        return "`close` is a number, or `code`, `because` and `reconnect`";
    }
    return std::nullopt;
}

// A number, or an object.
Wrong read_close(simdjson::dom::element value, BackendOrders& orders) {
    OrderedClose& close = orders.close.emplace();
    simdjson::dom::object object;
    uint64_t code = 0;
    if (value.get(code) == simdjson::SUCCESS) {
        close.code = static_cast<uint16_t>(std::min<uint64_t>(code, UINT16_MAX));
    } else if (value.get(object) == simdjson::SUCCESS) {
        for (const auto& [key, member] : object)
            if (auto wrong = read_close_member(key, member, close)) return wrong;
    } else {
        return "`close` is a number, or `code`, `because` and `reconnect`";
    }
    // RFC 6455, 7.4: those of the protocol are not the application's, but for a normal end.
    if (close.code != 1000 && (close.code < 3000 || close.code > 4999))
        return "the code of `close` is 1000, or from 3000 to 4999";
    return std::nullopt;
}

Wrong read_order(std::string_view key, std::string_view raw, simdjson::dom::element value,
                 BackendOrders& orders) {
    if (key == "reply") {
        orders.reply = minified(raw);
        return std::nullopt;
    }
    if (key == "publish") return split(raw, true, key, orders.publish);
    if (key == "send") return split(raw, true, key, orders.send);
    if (key == "subscribe") return split(raw, false, key, orders.subscribe);
    if (key == "unsubscribe") return split(raw, false, key, orders.unsubscribe);
    if (key == "close") return read_close(value, orders);
    return "there is no order `" + std::string(key.substr(0, longest_error)) + "`";
}

simdjson::simdjson_result<std::string_view> text_of(simdjson::ondemand::value value) {
    simdjson::ondemand::json_type type{};
    if (const auto error = value.type().get(type)) return error;
    if (type == simdjson::ondemand::json_type::object) {
        simdjson::ondemand::object object;
        if (const auto error = value.get(object)) return error;
        return object.raw_json();
    }
    if (type == simdjson::ondemand::json_type::array) {
        simdjson::ondemand::array array;
        if (const auto error = value.get(array)) return error;
        return array.raw_json();
    }
    return value.raw_json_token();
}

// Twice: the DOM knows that the whole is sound and what it says, On-Demand what was written.
Wrong read_orders(const std::string& body, const simdjson::dom::object& known, BackendOrders& orders) {
    const simdjson::padded_string padded(body);
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    simdjson::ondemand::object object;
    if (parser.iterate(padded).get(document) || document.get_object().get(object))
        return "the orders are no JSON object";
    std::vector<std::string> seen;
    for (auto field : object) {
        std::string_view key;
        std::string_view raw;
        simdjson::ondemand::value value;
        if (field.unescaped_key().get(key)) return "the orders are no JSON object";
        const std::string name(key);
        if (std::find(seen.begin(), seen.end(), name) != seen.end())
            return "the order `" + name.substr(0, longest_error) + "` stands twice";
        if (field.value().get(value) || text_of(value).get(raw)) return "the orders are no JSON object";
        if (auto wrong = read_order(name, raw, known[name].value_unsafe(), orders)) return wrong;
        seen.push_back(name);
    }
    return std::nullopt;
}

BackendReply read_success(const BackendAnswer& answer) {
    BackendReply out;
    if (answer.body.empty()) return out;
    const bool orders = answer.content_type == "application/wayleave+json";
    if (!orders && answer.content_type != "application/json")
        return unavailable("its answer is neither application/json nor application/wayleave+json");
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parse_json(parser, answer.body, root) != simdjson::SUCCESS)
        return unavailable("its answer is no JSON that can be read");
    if (!orders) {
        out.kind = BackendReply::Kind::reply;
        out.reply = minified(answer.body);
        return out;
    }
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return unavailable("its orders are no JSON object");
    out.kind = BackendReply::Kind::orders;
    if (const auto wrong = read_orders(answer.body, object, out.orders))
        return unavailable("its orders cannot be read: " + *wrong);
    return out;
}

// RFC 9457, or a plain object with these members.
void read_problem(const BackendAnswer& answer, auto& out) {
    if (answer.content_type != "application/problem+json" && answer.content_type != "application/json")
        return;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::dom::object problem;
    std::string_view text;
    if (parse_json(parser, answer.body, root) != simdjson::SUCCESS || root.get(problem)) return;
    if (!problem["error"].get(text) && is_word(text)) out.error = text;
    for (const std::string_view name : {"detail", "because"}) {
        if (out.because.empty() && !problem[name].get(text) && is_sentence(text, longest_because))
            out.because = text;
    }
}

// `{"for": SECONDS}`, or nothing. Another member may say that it is no yes after all.
Wrong read_yes(const BackendAnswer& answer, BackendRuling& out) {
    if (answer.body.empty()) return std::nullopt;
    if (answer.content_type != "application/json") return "its answer is not application/json";
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::dom::object object;
    if (parse_json(parser, answer.body, root) != simdjson::SUCCESS || root.get(object))
        return "its answer is no JSON object that can be read";
    bool seen = false;
    for (const auto& [key, value] : object) {
        if (key != "for")
            return "its answer has a member that a yes does not have: `" +
                   std::string(key.substr(0, longest_error)) + "`";
        double seconds = 0;
        if (std::exchange(seen, true) || value.get(seconds) || !(seconds >= 0))
            return "`for` is a number of seconds";
        out.believed_ms = static_cast<int64_t>(std::min(seconds, longest_belief_s) * 1000);
    }
    return std::nullopt;
}

}  // namespace

BackendReply read_reply(const BackendAnswer& answer) {
    if (answer.kind != BackendAnswer::Kind::answered) return unavailable(answer.why);
    if (answer.status >= 200 && answer.status < 300) return read_success(answer);
    if (answer.status < 400 || answer.status >= 500)
        return unavailable("it answered " + std::to_string(answer.status));
    BackendReply out;
    out.kind = BackendReply::Kind::refused;
    out.status = answer.status;
    out.retry_after_ms = std::min(answer.retry_after_s.value_or(0), longest_retry_s) * 1000;
    read_problem(answer, out);
    return out;
}

BackendRuling read_ruling(const BackendAnswer& answer) {
    BackendRuling out;
    if (answer.kind != BackendAnswer::Kind::answered) {
        out.because = answer.why;
    } else if (answer.status >= 200 && answer.status < 300) {
        if (auto wrong = read_yes(answer, out)) return {BackendRuling::Kind::unavailable, 0, {}, *wrong};
        out.kind = BackendRuling::Kind::yes;
    } else if (answer.status == 403) {
        out.kind = BackendRuling::Kind::no;
        read_problem(answer, out);
    } else {
        out.because = "it answered " + std::to_string(answer.status);
    }
    return out;
}

}  // namespace wayleave
