// One request that is passed on to a backend, and the response that comes back: bytes in, bytes out. Both
// bodies are read and framed anew, so that neither side can be made to see an end where the other sees none
// (RFC 9112 6, 11.2). It sees no socket, and keeps only what has arrived of a head or waits to be written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/unwritten.h"
#include "daemon/protocol/http_body.h"
#include "daemon/protocol/http_head.h"
#include "daemon/protocol/proxied_head.h"

namespace wayleave {

// Whether a request may go over a connection that an earlier one has left open: whoever finds it closed may
// ask again (RFC 9110 9.2.2), and has no body that is half gone.
[[nodiscard]] bool may_be_repeated(const HttpHead& head);

class HttpExchange {
  public:
    enum class State : uint8_t { reading, complete, broken };

    // `target` as it stands in the request line; `lines`: fields that are said beside the request's own.
    // `keeps`: the backend need not close, which only a request that may be repeated says.
    HttpExchange(const HttpHead& head, std::string_view target, std::string_view lines, bool keeps);

    // --- to the backend ---

    // Takes what belongs to the request's body off the front of `bytes`. Broken: the client's connection
    // cannot be read any further; see status() and reason().
    State read_request(std::string_view& bytes);
    [[nodiscard]] bool request_complete() const { return !body_; }
    [[nodiscard]] std::string_view output() const { return out_.view(); }
    void written(size_t bytes) { out_.written(bytes); }
    // From the beginning, over another connection: nothing of an answer has come.
    void repeat();
    [[nodiscard]] bool heard_nothing() const { return !framing_ && head_.empty() && interim_ == 0; }

    // --- to the client ---

    // What the client is to be told is appended to `told`. Broken: the backend says what is no response.
    // Bytes behind a complete response are none of ours.
    State read_response(std::string_view bytes, std::string& told);
    // The backend has closed the connection.
    State end_response(std::string& told);
    // The client has heard a part of the final response: nothing else can be said in its place.
    [[nodiscard]] bool answered() const { return framing_.has_value(); }
    // The response ends by itself, as its head has said.
    [[nodiscard]] bool has_end() const {
        return framing_ && (framing_->kind == Kind::none || framing_->kind == Kind::length);
    }
    // An interim response of our own would be understood.
    [[nodiscard]] bool takes_interim() const { return interims_ && !answered(); }
    // The backend's are left out: not every proxy understands what it has not asked for.
    void leave_out_interim() { interims_ = false; }
    // Another request may follow on the client's connection.
    [[nodiscard]] bool keep_alive() const { return keep_alive_; }
    // Of a complete response: another request may follow on the backend's connection.
    [[nodiscard]] bool leaves_open() const {
        return leaves_open_ && out_.view().empty() && request_complete();
    }
    [[nodiscard]] size_t held() const { return out_.held() + head_.capacity() + request_.capacity(); }
    // The server wants no more of them.
    void close_after() { keep_alive_ = false; }

    [[nodiscard]] int status() const { return status_; }  // after broken: what to answer with
    [[nodiscard]] std::string_view reason() const { return reason_; }

  private:
    using Kind = ResponseFraming::Kind;

    State refuse(int status, std::string_view reason);
    [[nodiscard]] State read_heads(std::string_view& bytes, std::string& told);
    [[nodiscard]] State take_head(const ResponseHead& head, std::string& told);
    void tell_head(const ResponseHead& head, const ResponseFraming& framing, std::string& told);
    void tell_body(std::string_view bytes, std::string& told) const;
    [[nodiscard]] State read_body(std::string_view bytes, std::string& told);
    [[nodiscard]] State complete(std::string_view behind, std::string& told);

    // Of the request.
    std::string request_;  // where it may be repeated
    bool http10_;
    bool interims_;  // are told
    bool to_head_;
    bool keep_alive_;
    bool chunked_;                    // its body is
    std::optional<BodyReader> body_;  // nothing: it has come
    Unwritten out_;

    // Of the response.
    std::string head_;                        // as far as it arrived
    uint32_t interim_ = 0;                    // 1xx before it
    std::optional<ResponseFraming> framing_;  // its head is told
    bool rechunked_ = false;
    bool leaves_open_ = false;
    std::optional<BodyReader> answer_;
    int status_ = 502;
    std::string_view reason_;
};

}  // namespace wayleave
