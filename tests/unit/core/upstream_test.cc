// The WebSocket of which we are the client: its handshake, its frames, its end.
#include <catch2/catch.hpp>

#include <random>

#include "daemon/protocol/base64.h"
#include "daemon/protocol/handshake.h"
#include "daemon/session/upstream.h"

namespace wayleave {
namespace {

struct Talk {
    std::mt19937_64 random{7};
    Upstream upstream{random};
    std::string input;

    std::string key() const {
        const std::string_view out = upstream.output();
        const size_t at = out.find("Sec-WebSocket-Key: ") + 19;
        return std::string(out.substr(at, 24));
    }
    void hear(std::string bytes) { input = std::move(bytes); }
    UpstreamEvent next(size_t most = 1000) {
        std::span<char> bytes(input);
        UpstreamEvent event = upstream.read(bytes, most);
        input = std::string(bytes.data(), bytes.size());
        return event;
    }
    std::string answer() const {
        return "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
               "Sec-WebSocket-Accept: " +
               accept_key(key()) + "\r\n\r\n";
    }
    void open() {
        upstream.begin("/x", "h", "");
        hear(answer());
        REQUIRE(std::holds_alternative<UpstreamOpened>(next()));
        upstream.written(upstream.output().size());
    }
};

// What the other side would read of it.
std::vector<std::string> sent(std::string bytes) {
    WebSocketDecoder decoder;
    std::span<char> rest(bytes);
    std::vector<std::string> out;
    for (;;) {
        const WsEvent event = decoder.next(rest, {});
        if (std::holds_alternative<WsNeedMore>(event)) return out;
        if (const auto* message = std::get_if<WsMessage>(&event))
            out.push_back((message->binary ? "b:" : "t:") + std::string(message->payload));
        if (const auto* pong = std::get_if<WsPong>(&event))
            out.push_back("pong:" + std::string(pong->payload));
        if (const auto* close = std::get_if<WsClose>(&event))
            out.push_back("close:" + std::to_string(close->code) + std::string(close->reason));
        if (const auto* error = std::get_if<WsError>(&event)) return {std::string(error->reason)};
    }
}

}  // namespace

TEST_CASE("a handshake says what a server must know, and checks what it says") {
    Talk talk;
    talk.upstream.begin("/a?b", "app.example:8000", "Origin: https://a.example\r\n");
    CHECK(talk.upstream.output().starts_with("GET /a?b HTTP/1.1\r\nHost: app.example:8000\r\n"));
    CHECK(talk.upstream.output().ends_with("\r\nOrigin: https://a.example\r\n\r\n"));
    CHECK_FALSE(talk.upstream.open());
    const std::string whole = talk.answer() + encode_frame(Opcode::text, "hi");
    // Byte by byte, and the first frame behind it.
    for (size_t i = 0; i + 4 < talk.answer().size(); ++i) {
        talk.hear(whole.substr(i, 1));
        REQUIRE(std::holds_alternative<UpstreamNeedsMore>(talk.next()));
    }
    talk.hear(whole.substr(talk.answer().size() - 4));
    REQUIRE(std::holds_alternative<UpstreamOpened>(talk.next()));
    const UpstreamEvent event = talk.next();
    REQUIRE(std::holds_alternative<UpstreamMessage>(event));
    CHECK(std::get<UpstreamMessage>(event).payload == "hi");
}

TEST_CASE("answers that are no upgrade") {
    const auto refused = [](auto change) {
        Talk talk;
        talk.upstream.begin("/", "h", "");
        talk.hear(change(talk.answer()));
        const UpstreamEvent event = talk.next();
        const auto* refusal = std::get_if<UpgradeRefused>(&event);
        return refusal ? std::to_string(refusal->status) + " " + std::string(refusal->reason) : "";
    };
    const auto without = [](std::string_view what) {
        return [what](std::string text) { return text.erase(text.find(what), what.size()); };
    };
    CHECK(refused(without("upgrade: WebSocket\r\n")).starts_with("0 101 without Upgrade"));
    CHECK(refused(without("Connection: keep-alive, upgrade\r\n")).starts_with("0 101 without Connection"));
    CHECK(refused(without("Accept: ")).starts_with("0 "));
    CHECK(refused([](const std::string&) { return "HTTP/1.1 403 Forbidden\r\n\r\n"; }).starts_with("403"));
    CHECK(refused([](const std::string&) { return "HTTP/2 200\r\n\r\n"; }) == "0 it does not speak HTTP/1.1");
    CHECK(refused([](const std::string&) { return "HTTP/1.1 1O1 x\r\n\r\n"; }) ==
          "0 its status line is malformed");
    CHECK(refused([](const std::string&) { return "HTTP/1.1 101 x\r\na b\r\n\r\n"; }) ==
          "0 a field of its head is malformed");
    CHECK(refused([](const std::string&) { return "HTTP/1.1 101 x\r\na: \x01\r\n\r\n"; }) ==
          "0 a field of its head is malformed");
    CHECK(refused([](const std::string&) { return "HTTP/1.1 101 x\r\n" + std::string(20'000, 'a'); }) ==
          "0 its head is too large");
}

TEST_CASE("frames of both sides") {
    Talk talk;
    talk.open();
    talk.upstream.send(Opcode::text, "one");
    talk.upstream.send(Opcode::binary, std::string("\0\xff", 2));
    talk.hear(encode_frame(Opcode::ping, "p"));
    REQUIRE(std::holds_alternative<UpstreamNeedsMore>(talk.next()));
    CHECK(sent(std::string(talk.upstream.output())) ==
          std::vector<std::string>{"t:one", "b:" + std::string("\0\xff", 2), "pong:p"});
    talk.upstream.written(5);
    talk.upstream.written(talk.upstream.output().size());
    CHECK(talk.upstream.output().empty());
    // A flood of pings does not fill our memory.
    for (int i = 0; i < 10'000; ++i) {
        talk.hear(encode_frame(Opcode::ping, std::string(125, 'p')));
        (void)talk.next();
    }
    CHECK(talk.upstream.output().size() < 5000);
}

TEST_CASE("ends of both sides") {
    {
        Talk talk;
        talk.open();
        talk.hear(close_frame(4001, "enough"));
        const UpstreamEvent event = talk.next();
        REQUIRE(std::holds_alternative<UpstreamClosed>(event));
        CHECK(std::get<UpstreamClosed>(event).code == 4001);
        CHECK(std::get<UpstreamClosed>(event).reason == "enough");
        CHECK(sent(std::string(talk.upstream.output())) == std::vector<std::string>{"close:4001"});
    }
    {
        Talk talk;
        talk.open();
        talk.upstream.close(1001, "");
        talk.hear(encode_frame(Opcode::text, "too late") + close_frame(1001, ""));
        CHECK(std::holds_alternative<UpstreamClosed>(talk.next()));
        CHECK(sent(std::string(talk.upstream.output())) == std::vector<std::string>{"close:1001"});
    }
    for (const std::string& wrong : {std::string("\x81\x83\0\0\0\0abc", 9), std::string("\x81\x01\xff", 3)}) {
        Talk talk;
        talk.open();
        talk.hear(wrong);
        const UpstreamEvent event = talk.next();
        REQUIRE(std::holds_alternative<UpstreamClosed>(event));
        CHECK(std::get<UpstreamClosed>(event).code == 1006);
    }
    Talk talk;
    talk.open();
    talk.hear(encode_frame(Opcode::text, std::string(1001, 'x')));
    const UpstreamEvent event = talk.next();
    REQUIRE(std::holds_alternative<UpstreamClosed>(event));
    CHECK(std::get<UpstreamClosed>(event).code == 1009);
}

TEST_CASE("base64 is one text for one sequence of bytes") {
    for (const std::string& bytes :
         {std::string(), std::string("\0", 1), std::string("\0\xff\x10", 3), std::string("abcd")})
        CHECK(decode_base64(base64_text(bytes)) == bytes);
    for (const char* wrong : {"AP8", "AP9=", " AP8=", "AP8=\n", "A===", "====", "AP8=AP8=", "A?8="}) {
        INFO(wrong);
        CHECK_FALSE(decode_base64(wrong));
    }
}

}  // namespace wayleave
