#include "daemon/protocol/gzip.h"

#include <zlib.h>

#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

std::string gzipped(std::string_view text) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string text_of(std::string_view body, size_t most = 1 << 20) {
    const Gunzipped out = gunzip(body, most);
    CHECK_FALSE(out.error.has_value());
    return out.text;
}

std::optional<GunzipError> error_of(std::string_view body, size_t most = 1 << 20) {
    const Gunzipped out = gunzip(body, most);
    if (out.error) CHECK(out.text.empty());
    return out.error;
}

}  // namespace

TEST_CASE("a body comes out as it was, of any size") {
    std::string text;
    for (const size_t size : {0UL, 1UL, 16'383UL, 16'384UL, 16'385UL, 32'768UL, 300'000UL}) {
        while (text.size() < size) text += static_cast<char>(text.size() * text.size() % 251);
        CHECK(text_of(gzipped(text), text.size()) == text);
    }
}

TEST_CASE("no more comes out than may be") {
    CHECK(text_of(gzipped(std::string(1000, 'x')), 1000).size() == 1000);
    CHECK(error_of(gzipped(std::string(1001, 'x')), 1000) == GunzipError::too_big);
    const std::string bomb = gzipped(std::string(100 << 20, ' '));
    REQUIRE(bomb.size() < 200'000);
    CHECK(error_of(bomb) == GunzipError::too_big);
}

TEST_CASE("a body is one gzip member, whole, and nothing else") {
    const std::string good = gzipped("hello");
    for (size_t size = 0; size < good.size(); ++size) {
        INFO("the first " << size << " bytes");
        CHECK(error_of(std::string_view(good).substr(0, size)) == GunzipError::broken);
    }
    CHECK(error_of(good + "x") == GunzipError::broken);
    CHECK(error_of(good + good) == GunzipError::broken);
    CHECK(error_of("hello") == GunzipError::broken);
    std::string damaged = good;
    damaged[damaged.size() - 8] ^= 1;  // its checksum
    CHECK(error_of(damaged) == GunzipError::broken);
}

TEST_CASE("deflate without gzip's frame is none") {
    uLongf size = compressBound(5);
    std::string zlib(size, '\0');
    REQUIRE(compress(reinterpret_cast<Bytef*>(zlib.data()), &size, reinterpret_cast<const Bytef*>("hello"),
                     5) == Z_OK);
    CHECK(error_of(zlib.substr(0, size)) == GunzipError::broken);
}
