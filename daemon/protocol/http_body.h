// The body of one HTTP/1.1 message (RFC 9112 6 and 7), read as it arrives: of a known length or in chunks. It
// is bounded, and what could be understood in two ways is refused, so that nobody disagrees with us about
// where the next message begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace wayleave {

class BodyReader {
  public:
    enum class State : uint8_t { reading, complete, refused };
    // Fields behind the last chunk: who passes a message on may drop them (RFC 9110 6.5.1).
    enum class Trailers : uint8_t { refused, dropped };

    // Nothing for `length`: the body comes in chunks. `most`: of the body's own bytes.
    BodyReader(std::optional<uint64_t> length, uint64_t most, Trailers trailers = Trailers::refused);

    // Takes what belongs to the body off the front of `bytes`; after `complete` what is left is the next
    // request. The answer does not depend on how the bytes were split. After `refused` the connection cannot
    // be resynchronised. More than that is read is not kept.
    State read(std::string_view& bytes);

    [[nodiscard]] const std::string& body() const { return body_; }
    // What was read since it was last taken, for those who pass the body on.
    [[nodiscard]] std::string take_body() { return std::exchange(body_, {}); }
    // After `refused`: 400 or 413, and static text.
    [[nodiscard]] int status() const { return status_; }
    [[nodiscard]] std::string_view reason() const { return reason_; }

  private:
    enum class Step : uint8_t {
        size,
        extension,
        size_end,
        data,
        data_cr,
        data_lf,
        last_cr,
        last_lf,
        trailer,
        trailer_lf,
        done,
        broken
    };

    State refuse(int status, std::string_view reason);
    void take_data(std::string_view& bytes);
    [[nodiscard]] bool take_mark(char c);
    [[nodiscard]] bool take_size(char c);
    [[nodiscard]] bool take_trailer(char c);
    [[nodiscard]] bool begin_chunk();

    Step step_;
    bool chunked_;
    Trailers trailers_;
    uint64_t most_;
    uint64_t read_ = 0;       // bytes of the body, also those that were taken
    uint64_t left_ = 0;       // of the body, or of the chunk
    uint32_t digits_ = 0;     // of the chunk's size
    uint32_t extension_ = 0;  // bytes of it
    uint32_t trailer_ = 0;    // bytes of all of them
    int status_ = 0;
    std::string_view reason_;
    std::string body_;
};

}  // namespace wayleave
