#include "daemon/protocol/http_body.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace wayleave;
using State = BodyReader::State;

namespace {

struct Outcome {
    State state = State::reading;
    std::string body;
    std::string rest;
    int status = 0;

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// In pieces of so many bytes, as a socket gives them.
Outcome read_by(size_t step, BodyReader reader, std::string_view bytes) {
    Outcome out;
    std::string_view left;
    for (; !bytes.empty() && out.state == State::reading; bytes.remove_prefix(std::min(step, bytes.size()))) {
        left = bytes.substr(0, step);
        out.state = reader.read(left);
    }
    out.body = reader.body();
    out.rest = std::string(left) + std::string(bytes);
    out.status = reader.status();
    return out;
}

// The same however it is split.
Outcome read(const BodyReader& reader, std::string_view bytes) {
    const Outcome whole = read_by(bytes.size() + 1, reader, bytes);
    for (const size_t step : {1U, 2U, 3U, 7U}) {
        INFO("in pieces of " << step);
        CHECK(read_by(step, reader, bytes) == whole);
    }
    return whole;
}

BodyReader chunked(size_t most = 1000) {
    return {std::nullopt, most};
}

}  // namespace

TEST_CASE("a body of a known length, and what follows it") {
    const Outcome out = read(BodyReader(5, 100), "helloGET / HTTP/1.1");
    CHECK(out.state == State::complete);
    CHECK(out.body == "hello");
    CHECK(out.rest == "GET / HTTP/1.1");
    CHECK(read(BodyReader(5, 100), "hell").state == State::reading);
}

TEST_CASE("a body of no bytes is complete at once") {
    BodyReader reader(0, 100);
    std::string_view rest = "GET";
    CHECK(reader.read(rest) == State::complete);
    CHECK(rest == "GET");
    rest = "";
    CHECK(reader.read(rest) == State::complete);
}

TEST_CASE("a length beyond the bound is refused before a byte of it is read") {
    BodyReader reader(101, 100);
    std::string_view none;
    CHECK(reader.read(none) == State::refused);
    CHECK(reader.status() == 413);
    CHECK(read(BodyReader(100, 100), std::string(100, 'x')).state == State::complete);
    CHECK(BodyReader(UINT64_MAX, 100).status() == 413);
}

TEST_CASE("chunks are joined") {
    const Outcome out = read(chunked(), "5\r\nhello\r\n1\r\n \r\n00000005\r\nworld\r\n0\r\n\r\nGET /next");
    CHECK(out.state == State::complete);
    CHECK(out.body == "hello world");
    CHECK(out.rest == "GET /next");
    CHECK(read(chunked(), "A\r\n0123456789\r\n0\r\n\r\n").body == "0123456789");
    CHECK(read(chunked(), "a\r\n0123456789\r\n0\r\n\r\n").body == "0123456789");
}

TEST_CASE("an extension of a chunk is passed over") {
    CHECK(read(chunked(), "2;a=b;c=\"d\"\r\nhi\r\n0;last\r\n\r\n").body == "hi");
}

TEST_CASE("chunks that could be read in two ways are refused") {
    const std::vector<std::string> bad = {
        "\r\nhi",                     // no size
        ";a\r\n",                     // likewise
        " 2\r\nhi\r\n",               // white space before
        "2 \r\nhi\r\n",               // and behind
        "+2\r\nhi\r\n",               //
        "-2\r\nhi\r\n",               //
        "0x2\r\nhi\r\n",              //
        "2\nhi\n0\n\n",               // bare LF
        "2\rhi",                      // bare CR
        "2\r\nhi\n0\r\n\r\n",         // bare LF behind the data
        "2\r\nhix\r\n0\r\n\r\n",      // longer than it says
        "3\r\nhi\r\n0\r\n\r\n",       // shorter
        "2;a\nb\r\nhi\r\n0\r\n\r\n",  // bare LF in the extension
        "2;a\rb\r\nhi\r\n0\r\n\r\n",  // bare CR there
        "2;a\x01\r\nhi\r\n",          // a control byte there
        "0\r\nX-Trailer: a\r\n\r\n",  // trailer fields
        "0\r\n\n",                    // the end in another form
        "0\r\n\rG",                   //
        "2;" + std::string(300, 'x') + "\r\n",
    };
    for (const std::string& bytes : bad) {
        INFO(bytes);
        const Outcome out = read(chunked(), bytes);
        CHECK(out.state == State::refused);
        CHECK(out.status == 400);
        CHECK(out.body.empty());
    }
}

TEST_CASE("chunks beyond the bound are refused at their size") {
    CHECK(read(chunked(4), "5\r\n").status == 413);
    CHECK(read(chunked(4), "2\r\nhi\r\n3\r\n").status == 413);
    CHECK(read(chunked(4), "2\r\nhi\r\n2\r\nho\r\n0\r\n\r\n").body == "hiho");
    CHECK(read(chunked(4), "FFFFFFFF\r\n").status == 413);
    CHECK(read(chunked(4), "100000000\r\n").status == 413);          // 33 bits
    CHECK(read(chunked(4), "10000000000000002\r\n").status == 413);  // would be 2 in 64 bits
    CHECK(read(chunked(4), "000000002\r\n").status == 413);
}

TEST_CASE("who passes a body on drops its trailers, and takes it part by part") {
    const auto relayed = [] { return BodyReader(std::nullopt, 1000, BodyReader::Trailers::dropped); };
    const Outcome out = read(relayed(), "2\r\nhi\r\n0\r\nA: b\r\nC: d\r\n\r\nGET");
    CHECK(out.state == State::complete);
    CHECK(out.body == "hi");
    CHECK(out.rest == "GET");
    for (const std::string& bad :
         {std::string("0\r\nA: b\n\r\n"), std::string("0\r\nA\rb\r\n\r\n"), std::string("0\r\n\n"),
          std::string("0\r\nA: \x01\r\n\r\n"), "0\r\n" + std::string(9000, 'x')}) {
        INFO(bad);
        CHECK(read(relayed(), bad).state == State::refused);
    }
    BodyReader reader(6, 6);
    std::string_view bytes = "abc";
    CHECK(reader.read(bytes) == State::reading);
    CHECK(reader.take_body() == "abc");
    bytes = "defg";
    CHECK(reader.read(bytes) == State::complete);
    CHECK(reader.take_body() == "def");
    BodyReader bounded(std::nullopt, 4);
    bytes = "3\r\nabc\r\n";
    CHECK(bounded.read(bytes) == State::reading);
    (void)bounded.take_body();
    bytes = "2\r\n";
    CHECK(bounded.read(bytes) == State::refused);
}
