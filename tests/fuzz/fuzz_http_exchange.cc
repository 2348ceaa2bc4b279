// A request that is passed on, and what a backend answers: whole against split. What the client hears must
// be one response, whose end it sees where we do.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "daemon/protocol/http_exchange.h"

using namespace wayleave;

namespace {

void check(bool holds) {
    if (!holds) std::abort();
}

struct Heard {
    HttpExchange::State state = HttpExchange::State::reading;
    std::string text;
};

Heard respond(HttpExchange exchange, std::string_view bytes, size_t step) {
    Heard out;
    while (!bytes.empty() && out.state == HttpExchange::State::reading) {
        const std::string_view part = bytes.substr(0, step);
        bytes.remove_prefix(part.size());
        out.state = exchange.read_response(part, out.text);
    }
    if (out.state == HttpExchange::State::reading) out.state = exchange.end_response(out.text);
    return out;
}

// Reads what a client of HTTP/1.1 has heard, as such a client does.
void check_heard(std::string_view text, bool to_head) {
    for (;;) {
        const ResponseResult parsed = parse_response_head(text, {.bytes = 1 << 20});
        const auto* head = std::get_if<ResponseHead>(&parsed);
        check(head != nullptr && head->status != 101);
        text.remove_prefix(head->size);
        if (head->status < 200) continue;
        const FramingResult framing = framing_of(*head, to_head);
        const auto* kind = std::get_if<ResponseFraming>(&framing);
        check(kind != nullptr && kind->kind != ResponseFraming::Kind::until_close);
        if (kind->kind == ResponseFraming::Kind::none) return check(text.empty());
        BodyReader body(
            kind->kind == ResponseFraming::Kind::length ? std::optional(kind->length) : std::nullopt,
            UINT64_MAX);
        check(body.read(text) == BodyReader::State::complete && text.empty());
        return;
    }
}

void respond_to(std::string_view request, std::string_view bytes) {
    size_t scanned = 0;
    const HeadResult parsed = parse_head(request, HeadLimits{}, scanned);
    const auto& head = std::get<HttpHead>(parsed);
    const HttpExchange exchange(head, "/", "", may_be_repeated(head));
    const Heard whole = respond(exchange, bytes, bytes.size());
    const Heard split = respond(exchange, bytes, 1);
    check(whole.state == split.state);
    if (whole.state == HttpExchange::State::complete && !head.http10)
        check_heard(whole.text, head.method == "HEAD");
}

// What goes on to the backend is a request as we would take it, of the same target and body.
void pass_on(std::string_view bytes) {
    size_t scanned = 0;
    const HeadResult parsed = parse_head(bytes, {.passes_on = true}, scanned);
    const auto* head = std::get_if<HttpHead>(&parsed);
    if (!head) return;
    std::string target = path_for_backend(head->written_path);
    if (head->has_query) target.append("?").append(head->query);
    HttpExchange exchange(*head, target, "", may_be_repeated(*head));
    std::string_view rest = bytes.substr(head->size);
    if (exchange.read_request(rest) != HttpExchange::State::complete) return;
    const std::string sent(exchange.output());
    scanned = 0;
    const HeadResult again =
        parse_head(sent, HeadLimits{.bytes = 1 << 20, .fields = 1000, .passes_on = true}, scanned);
    const auto* judged = std::get_if<HttpHead>(&again);
    if (!judged) return check(head->http10);  // of which a Host may be missing
    check(judged->method == head->method && judged->content_length == head->content_length);
    check(judged->chunked == head->chunked && !judged->keep_alive);
    check(judged->path == head->path && judged->query == head->query && judged->has_query == head->has_query);
    check(judged->path_doubt == head->path_doubt && judged->query_doubt == head->query_doubt);
    BodyReader body(judged->chunked ? std::nullopt : std::optional(judged->content_length.value_or(0)),
                    UINT64_MAX);
    std::string_view sent_body = std::string_view(sent).substr(judged->size);
    check(body.read(sent_body) == BodyReader::State::complete && sent_body.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    respond_to("GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes);
    respond_to("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", bytes);
    respond_to("GET / HTTP/1.0\r\n\r\n", bytes);
    pass_on(bytes);
    return 0;
}
