// The bytes of permessage-deflate (RFC 7692 7.2): messages are compressed and inflated one by one, without a
// context that outlives them, so a worker needs one of each for all of its connections. One thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace wayleave {

// What comes out of a message, at most: so many times what came in, and never less than the floor. DEFLATE
// itself reaches 1032.
constexpr size_t inflate_ratio = 100;
constexpr size_t inflate_floor = 16 << 10;

// The most bytes that a message of `max_message` bytes takes when it is compressed badly.
[[nodiscard]] constexpr size_t most_compressed(size_t max_message) {
    return max_message + max_message / 8 + 64;
}

enum class InflateError : uint8_t {
    bad_data,  // it is no DEFLATE, or not whole
    too_big,   // more than `most`, or than the ratio permits
};

class Inflater {
  public:
    Inflater();  // throws when zlib has no memory
    ~Inflater();
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // The message, which lives until the next call. Any window is understood.
    [[nodiscard]] std::variant<std::string_view, InflateError> inflate(std::string_view compressed,
                                                                       size_t most);
    // Heap bytes held between messages, zlib's own left out.
    [[nodiscard]] size_t buffered() const { return out_.capacity(); }

  private:
    enum class Step : uint8_t { more, complete, bad, full };

    [[nodiscard]] Step take(std::string_view bytes, size_t most);
    [[nodiscard]] Step once(size_t most);
    void make_room(size_t most);

    struct Stream;
    std::unique_ptr<Stream> stream_;
    std::string out_;
    size_t size_ = 0;  // of the message, at the front of out_
};

class Deflater {
  public:
    Deflater();  // throws when zlib has no memory
    ~Deflater();
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    // The payload of a compressed frame. Empty when compression does not make it smaller.
    [[nodiscard]] std::string deflate(std::string_view message);

  private:
    struct Stream;
    std::unique_ptr<Stream> stream_;
};

}  // namespace wayleave
