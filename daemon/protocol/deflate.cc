#include "daemon/protocol/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>

namespace wayleave {
namespace {

constexpr int our_window_bits = 15;
constexpr int memory_level = 8;
constexpr int level = 3;  // messages are compressed while their publisher waits
constexpr size_t kept_buffer = 128 << 10;
constexpr size_t first_room = 1024;
// RFC 7692 7.2.1: the end of an empty stored block, which the sender leaves away.
constexpr std::string_view tail("\x00\x00\xff\xff", 4);

Bytef* bytes_of(std::string_view text) {
    // zlib reads only; its type is older than const.
    return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

struct Inflater::Stream {
    z_stream z{};
};

Inflater::Inflater() : stream_(std::make_unique<Stream>()) {
    if (inflateInit2(&stream_->z, -our_window_bits) != Z_OK) throw std::bad_alloc();
}

Inflater::~Inflater() {
    inflateEnd(&stream_->z);
}

std::variant<std::string_view, InflateError> Inflater::inflate(std::string_view compressed, size_t most) {
    const size_t permitted = std::min(most, std::max(inflate_floor, compressed.size() * inflate_ratio));
    inflateReset(&stream_->z);
    if (out_.capacity() > kept_buffer) std::string().swap(out_);
    size_ = 0;
    Step step = take(compressed, permitted);
    if (step == Step::more || step == Step::complete) step = take(tail, permitted);
    if (step == Step::full) return InflateError::too_big;
    if (step != Step::complete) return InflateError::bad_data;
    return std::string_view(out_).substr(0, size_);
}

// `complete`: all is taken, and what comes next would be a new block.
Inflater::Step Inflater::take(std::string_view bytes, size_t most) {
    z_stream& z = stream_->z;
    z.next_in = bytes_of(bytes);
    z.avail_in = static_cast<uInt>(bytes.size());
    Step step = Step::more;
    while (z.avail_in > 0) {
        step = once(most);
        if (step == Step::bad || step == Step::full) return step;
    }
    // What fitted exactly may have left something behind in zlib.
    while (step == Step::more && size_ == out_.size()) {
        step = once(most);
        if (step == Step::bad || step == Step::full) return step;
    }
    return step;
}

Inflater::Step Inflater::once(size_t most) {
    z_stream& z = stream_->z;
    make_room(most);
    z.next_out = reinterpret_cast<Bytef*>(out_.data() + size_);
    z.avail_out = static_cast<uInt>(out_.size() - size_);
    const int result = ::inflate(&z, Z_SYNC_FLUSH);
    size_ = out_.size() - z.avail_out;
    if (size_ > most) return Step::full;
    if (result == Z_STREAM_END) {  // 7.2.3.4: a final block ends no message; what was said before stays known
        inflateResetKeep(&z);
        return Step::more;
    }
    if (result != Z_OK && result != Z_BUF_ERROR) return Step::bad;
    constexpr int between_blocks = 128;
    return (z.data_type & between_blocks) != 0 && z.avail_in == 0 ? Step::complete : Step::more;
}

// One byte more than is permitted, so that a message that is too long shows.
void Inflater::make_room(size_t most) {
    if (size_ < out_.size()) return;
    out_.resize(std::min(most + 1, std::max(first_room, size_ * 2)));
}

struct Deflater::Stream {
    z_stream z{};
};

Deflater::Deflater() : stream_(std::make_unique<Stream>()) {
    if (deflateInit2(&stream_->z, level, Z_DEFLATED, -our_window_bits, memory_level, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        throw std::bad_alloc();
}

Deflater::~Deflater() {
    deflateEnd(&stream_->z);
}

std::string Deflater::deflate(std::string_view message) {
    z_stream& z = stream_->z;
    deflateReset(&z);
    std::string out(message.size() + tail.size(), '\0');  // more is of no use
    z.next_in = bytes_of(message);
    z.avail_in = static_cast<uInt>(message.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    const int result = ::deflate(&z, Z_SYNC_FLUSH);
    const bool whole = result == Z_OK && z.avail_in == 0 && z.avail_out > 0;
    out.resize(out.size() - z.avail_out);
    if (!whole || !out.ends_with(tail)) return {};
    out.resize(out.size() - tail.size());
    out.shrink_to_fit();
    return out;
}

}  // namespace wayleave
