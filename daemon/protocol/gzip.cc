#include "daemon/protocol/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>

namespace wayleave {

Gunzipped gunzip(std::string_view body, size_t most) {
    constexpr int gzip_only = 15 + 16;  // zlib's way to ask for gzip's header and checksum
    Gunzipped out;
    z_stream stream{};
    if (body.size() > UINT32_MAX || inflateInit2(&stream, gzip_only) != Z_OK)
        return {{}, GunzipError::broken};
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    stream.avail_in = static_cast<uInt>(body.size());
    std::array<char, 16384> piece;
    int state = Z_OK;
    while (state == Z_OK) {
        stream.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream.avail_out = static_cast<uInt>(piece.size());
        state = inflate(&stream, Z_NO_FLUSH);
        const size_t made = piece.size() - stream.avail_out;
        if (state != Z_OK && state != Z_STREAM_END) break;
        if (out.text.size() + made > most) {
            out.error = GunzipError::too_big;
            break;
        }
        out.text.append(piece.data(), made);
    }
    // One member, whole, and nothing behind it.
    if (!out.error && (state != Z_STREAM_END || stream.avail_in > 0)) out.error = GunzipError::broken;
    inflateEnd(&stream);
    if (out.error) out.text.clear();
    return out;
}

}  // namespace wayleave
