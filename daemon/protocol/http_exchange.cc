#include "daemon/protocol/http_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace wayleave {
namespace {

constexpr HeadLimits response_limits{.bytes = 32'768};
constexpr uint32_t most_interim = 16;
constexpr std::string_view last_chunk = "0\r\n\r\n";

void append_chunk(std::string_view bytes, std::string& out) {
    if (bytes.empty()) return;  // that would be the last one
    fmt::format_to(std::back_inserter(out), "{:x}\r\n", bytes.size());
    out.append(bytes).append("\r\n");
}

// RFC 9112 9.3.
bool backend_keeps(const ResponseHead& head) {
    if (head.http10) return false;
    return std::none_of(head.fields.begin(), head.fields.end(), [](const HttpField& field) {
        if (!same_ignoring_case(field.name, "connection")) return false;
        std::string_view rest = field.value;
        std::string_view part;
        for (bool more = true; next_part(rest, ',', more, part);)
            if (same_ignoring_case(part, "close")) return true;
        return false;
    });
}

}  // namespace

bool may_be_repeated(const HttpHead& head) {
    const bool safe = head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS";
    return safe && !head.chunked && head.content_length.value_or(0) == 0;
}

HttpExchange::HttpExchange(const HttpHead& head, std::string_view target, std::string_view lines, bool keeps)
    : http10_(head.http10),
      interims_(!head.http10),
      to_head_(head.method == "HEAD"),
      keep_alive_(head.keep_alive),
      chunked_(head.chunked) {
    std::string& out = out_.text();
    out.append(head.method).append(" ").append(target).append(" HTTP/1.1\r\nHost: ");
    out.append(head.authority.text()).append(keeps ? "\r\n" : "\r\nConnection: close\r\n");
    out.append(fields_for_backend(head)).append(lines);
    if (chunked_) out.append("Transfer-Encoding: chunked\r\n");
    if (head.content_length) out.append(fmt::format("Content-Length: {}\r\n", *head.content_length));
    out.append("\r\n");
    if (keeps) request_ = out;
    if (chunked_ || head.content_length.value_or(0) > 0)
        body_.emplace(head.content_length, UINT64_MAX, BodyReader::Trailers::dropped);
}

void HttpExchange::repeat() {
    out_ = {};
    out_.text() = request_;
}

HttpExchange::State HttpExchange::refuse(int status, std::string_view reason) {
    status_ = status;
    reason_ = reason;
    return State::broken;
}

// --- to the backend ---

HttpExchange::State HttpExchange::read_request(std::string_view& bytes) {
    if (!body_) return State::complete;
    const BodyReader::State state = body_->read(bytes);
    if (state == BodyReader::State::refused) return refuse(body_->status(), body_->reason());
    const std::string part = body_->take_body();
    chunked_ ? append_chunk(part, out_.text()) : static_cast<void>(out_.text().append(part));
    if (state == BodyReader::State::reading) return State::reading;
    if (chunked_) out_.text().append(last_chunk);
    body_.reset();
    return State::complete;
}

// --- to the client ---

HttpExchange::State HttpExchange::read_response(std::string_view bytes, std::string& told) {
    if (!framing_) {
        head_.append(bytes);
        std::string_view rest = head_;
        if (const State state = read_heads(rest, told); state != State::complete) return state;
        const std::string body(rest);
        std::string().swap(head_);
        return read_body(body, told);
    }
    return read_body(bytes, told);
}

// Interim responses go on, each by itself. Complete: the final one's head is told.
HttpExchange::State HttpExchange::read_heads(std::string_view& bytes, std::string& told) {
    for (;;) {
        const ResponseResult parsed = parse_response_head(bytes, response_limits);
        if (std::holds_alternative<NeedMore>(parsed)) {
            head_.erase(0, head_.size() - bytes.size());
            return State::reading;
        }
        if (const auto* wrong = std::get_if<ResponseRefusal>(&parsed)) return refuse(502, wrong->reason);
        const auto& head = std::get<ResponseHead>(parsed);
        const State state = take_head(head, told);
        if (state == State::broken) return state;
        bytes.remove_prefix(head.size);
        if (state == State::complete) return state;
    }
}

HttpExchange::State HttpExchange::take_head(const ResponseHead& head, std::string& told) {
    if (head.status == 101) return refuse(502, "it switches to a protocol that nobody asked for");
    if (head.status < 200) {
        if (++interim_ > most_interim) return refuse(502, "it sends interim responses without end");
        if (interims_)
            told.append(fmt::format("HTTP/1.1 {} {}\r\n", head.status, head.phrase))
                .append(fields_for_client(head))
                .append("\r\n");
        return State::reading;
    }
    const FramingResult framing = framing_of(head, to_head_);
    if (const auto* wrong = std::get_if<ResponseRefusal>(&framing)) return refuse(502, wrong->reason);
    tell_head(head, std::get<ResponseFraming>(framing), told);
    return State::complete;
}

void HttpExchange::tell_head(const ResponseHead& head, const ResponseFraming& framing, std::string& told) {
    framing_ = framing;
    // A server that has a body follow where none may be is found out too late.
    const bool has_end = framing.kind == Kind::length || framing.kind == Kind::chunked;
    leaves_open_ = !request_.empty() && has_end && backend_keeps(head);
    const bool open_end = framing.kind == Kind::chunked || framing.kind == Kind::until_close;
    rechunked_ = open_end && !http10_;
    // What is left of the request would be taken for the next one.
    if (!request_complete() || (open_end && http10_)) keep_alive_ = false;
    if (framing.kind == Kind::length)
        answer_.emplace(framing.length, UINT64_MAX);
    else if (framing.kind == Kind::chunked)
        answer_.emplace(std::nullopt, UINT64_MAX, BodyReader::Trailers::dropped);
    told.append(fmt::format("HTTP/1.1 {} {}\r\n", head.status, head.phrase)).append(fields_for_client(head));
    // Of a HEAD or a 304 it says what would come (RFC 9110 8.6).
    const bool has_length = head.count("content-length") == 1 && head.status != 204;
    if (has_length) told.append("Content-Length: ").append(head.field("content-length")).append("\r\n");
    if (rechunked_) told.append("Transfer-Encoding: chunked\r\n");
    told.append(keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

void HttpExchange::tell_body(std::string_view bytes, std::string& told) const {
    rechunked_ ? append_chunk(bytes, told) : static_cast<void>(told.append(bytes));
}

HttpExchange::State HttpExchange::read_body(std::string_view bytes, std::string& told) {
    if (framing_->kind == Kind::none) return complete(bytes, told);
    if (framing_->kind == Kind::until_close) {
        tell_body(bytes, told);
        return State::reading;
    }
    const BodyReader::State state = answer_->read(bytes);
    if (state == BodyReader::State::refused) return refuse(502, answer_->reason());
    tell_body(answer_->take_body(), told);
    return state == BodyReader::State::complete ? complete(bytes, told) : State::reading;
}

// What is behind a response answers nothing that was asked, and must not be taken for the next answer.
HttpExchange::State HttpExchange::complete(std::string_view behind, std::string& told) {
    if (!behind.empty()) leaves_open_ = false;
    if (rechunked_) told.append(last_chunk);
    return State::complete;
}

HttpExchange::State HttpExchange::end_response(std::string& told) {
    if (framing_ && framing_->kind == Kind::until_close) return complete({}, told);
    return refuse(502, framing_ ? "it closed the connection in the middle of its response"
                                : "it closed the connection without a response");
}

}  // namespace wayleave
