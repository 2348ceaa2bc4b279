#include "daemon/protocol/websocket.h"

#include <catch2/catch.hpp>

#include <memory>
#include <string>

using namespace wayleave;
using namespace std::string_literals;

namespace {

constexpr char kMaskKey[4] = {'\x37', '\xfa', '\x21', '\x3d'};  // RFC 6455 5.7

std::string masked(std::string_view payload) {
    std::string out(kMaskKey, 4);
    for (size_t i = 0; i < payload.size(); ++i)
        out.push_back(static_cast<char>(payload[i] ^ kMaskKey[i % 4]));
    return out;
}

// A frame as a client sends it, its length in `length_bytes` bytes (0, 2, 8; -1: the shortest).
std::string frame(int first, std::string_view payload, int length_bytes = -1) {
    if (length_bytes < 0) length_bytes = payload.size() < 126 ? 0 : payload.size() < 65536 ? 2 : 8;
    std::string out(1, static_cast<char>(first));
    const size_t code = length_bytes == 0 ? payload.size() : length_bytes == 2 ? 126U : 127U;
    out.push_back(static_cast<char>(0x80U | code));
    for (int i = length_bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(payload.size() >> (8 * i)));
    return out + masked(payload);
}

std::string announced(uint64_t length) {
    std::string out = "\x82\xff"s;
    for (int i = 7; i >= 0; --i) out.push_back(static_cast<char>(length >> (8 * i)));
    return out;
}

std::string print(const WsEvent& event) {
    struct Printer {
        std::string operator()(const WsNeedMore&) { return "more"; }
        std::string operator()(const WsMessage& m) {
            return (m.binary ? "binary:" : "text:") + std::string(m.payload);
        }
        std::string operator()(const WsPing& p) { return "ping:" + std::string(p.payload); }
        std::string operator()(const WsPong& p) { return "pong:" + std::string(p.payload); }
        std::string operator()(const WsClose& c) {
            return "close:" + std::to_string(c.code) + ":" + std::string(c.reason);
        }
        std::string operator()(const WsError& e) {
            CHECK_FALSE(e.reason.empty());
            return "error:" + std::to_string(e.code);
        }
    };
    return std::visit(Printer{}, event);
}

using Events = std::vector<std::string>;

// Hands over one piece, in a heap block of its exact size so that ASan sees an overread, and takes all
// events.
void feed(WebSocketDecoder& decoder, std::string_view piece, const WebSocketLimits& limits, Events& events) {
    const auto block = std::make_unique<char[]>(piece.size());
    std::copy(piece.begin(), piece.end(), block.get());
    std::span<char> input(block.get(), piece.size());
    for (;;) {
        std::string event = print(decoder.next(input, limits));
        if (event == "more") break;
        events.push_back(std::move(event));
    }
    CHECK(input.empty());
}

Events decode(std::string_view bytes, size_t step, const WebSocketLimits& limits = {}) {
    WebSocketDecoder decoder;
    Events events;
    for (size_t at = 0; at < bytes.size(); at += step) feed(decoder, bytes.substr(at, step), limits, events);
    return events;
}

Events decode(std::string_view bytes, const WebSocketLimits& limits = {}) {
    return decode(bytes, bytes.size() + 1, limits);
}

struct Conversation {
    std::string bytes;
    Events events;
};

const std::vector<Conversation> kConversations = {
    // RFC 6455 5.7
    {"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", {"text:Hello"}},
    {frame(0x01, "Hel") + frame(0x80, "lo"), {"text:Hello"}},
    {frame(0x89, "Hello") + frame(0x8a, "Hello"), {"ping:Hello", "pong:Hello"}},
    // messages
    {frame(0x81, "") + frame(0x82, ""), {"text:", "binary:"}},
    {frame(0x82, "\xff\x00"s), {"binary:\xff\x00"s}},
    {frame(0x82, std::string(125, 'a')), {"binary:" + std::string(125, 'a')}},
    {frame(0x82, std::string(126, 'a')), {"binary:" + std::string(126, 'a')}},
    {frame(0x81, "a") + frame(0x82, "b") + frame(0x81, "c"), {"text:a", "binary:b", "text:c"}},
    {frame(0x02, "") + frame(0x00, "") + frame(0x80, "abc"), {"binary:abc"}},
    {frame(0x02, "abc") + frame(0x00, "") + frame(0x80, ""), {"binary:abc"}},
    {frame(0x01, "") + frame(0x80, "") + frame(0x81, "x"), {"text:", "text:x"}},
    {frame(0x01, "a") + frame(0x89, "p") + frame(0x00, "b") + frame(0x8a, "") + frame(0x80, "c"),
     {"ping:p", "pong:", "text:abc"}},
    {frame(0x01, "") + frame(0x89, "ping") + frame(0x80, "abc"), {"ping:ping", "text:abc"}},
    {frame(0x89, std::string(125, 'p')), {"ping:" + std::string(125, 'p')}},
    {frame(0x01, "\xc3") + frame(0x80, "\xa4"), {"text:\xc3\xa4"}},
    // first byte
    {frame(0xc1, "a"), {"error:1002"}},
    {frame(0xa1, "a"), {"error:1002"}},
    {frame(0x91, "a"), {"error:1002"}},
    {frame(0xc9, ""), {"error:1002"}},
    {frame(0x83, ""), {"error:1002"}},
    {frame(0x87, ""), {"error:1002"}},
    {frame(0x8b, ""), {"error:1002"}},
    {frame(0x8f, ""), {"error:1002"}},
    {frame(0x08, ""), {"error:1002"}},
    {frame(0x09, ""), {"error:1002"}},
    {frame(0x0a, ""), {"error:1002"}},
    {frame(0x80, "a"), {"error:1002"}},
    {frame(0x00, "a"), {"error:1002"}},
    {frame(0x01, "a") + frame(0x81, "b"), {"error:1002"}},
    {frame(0x01, "a") + frame(0x02, "b"), {"error:1002"}},
    {frame(0x81, "a") + frame(0x80, "b"), {"text:a", "error:1002"}},
    // mask and length
    {"\x81\x05Hello", {"error:1002"}},
    {"\x89\x00"s, {"error:1002"}},
    {frame(0x89, std::string(126, 'p')), {"error:1002"}},
    {frame(0x88, "\x03\xe8" + std::string(124, 'p')), {"error:1002"}},
    {frame(0x8a, "a", 2), {"error:1002"}},
    {frame(0x82, std::string(125, 'a'), 2), {"error:1002"}},
    {frame(0x82, "", 2), {"error:1002"}},
    {frame(0x82, std::string(126, 'a'), 8), {"error:1002"}},
    {frame(0x82, std::string(65535, 'a'), 8), {"error:1002"}},
    {announced(uint64_t{1} << 63), {"error:1002"}},
    {announced(UINT64_MAX), {"error:1002"}},
    {announced(uint64_t{1} << 62), {"error:1009"}},
    {announced((uint64_t{1} << 63) - 1), {"error:1009"}},
    {frame(0x02, "a") + "\x80" + announced((uint64_t{1} << 63) - 1).substr(1), {"error:1009"}},
    // UTF-8
    {frame(0x81, "\xff"), {"error:1007"}},
    {frame(0x81, "\xc3"), {"error:1007"}},
    {frame(0x81, "\xed\xa0\x80"), {"error:1007"}},
    {frame(0x81, "\xf4\x90\x80\x80"), {"error:1007"}},
    {frame(0x01, "\xc3") + frame(0x80, "("), {"error:1007"}},
    {frame(0x01, "\xc3") + frame(0x89, "p") + frame(0x80, ""), {"ping:p", "error:1007"}},
    // UTF-8 at the byte at which it goes wrong: Autobahn 6.4.1 to 6.4.4, and what stands before and behind it
    {frame(0x01, "\xce\xba\xe1\xbd\xb9") + frame(0x00, "\xf4\x90\x80\x80") + frame(0x89, "p"),
     {"error:1007"}},
    {frame(0x01, "\xce\xba\xe1\xbd\xb9\xf4") + frame(0x00, "\x90") + frame(0x89, "p"), {"error:1007"}},
    {frame(0x81, "\xce\xba\xf4\x90\x80\x80").substr(0, 10), {"error:1007"}},
    {frame(0x81, std::string(300, 'a') + "\xff" + std::string(300, 'a')).substr(0, 309), {"error:1007"}},
    {frame(0x01, "\xf0") + frame(0x00, "\x9f") + frame(0x89, "p") + frame(0x00, "\x98") + frame(0x80, "\x80"),
     {"ping:p", "text:\xf0\x9f\x98\x80"}},
    {frame(0x01, "a\xf0\x9f") + frame(0x80, "\x98"), {"error:1007"}},
    {frame(0x02, "\xff") + frame(0x80, "\xff"), {"binary:\xff\xff"}},
    {frame(0x01, "a\xc3") + frame(0x80, "\xa4") + frame(0x81, "\xa4"), {"text:a\xc3\xa4", "error:1007"}},
    // close
    {frame(0x88, ""), {"close:1005:"}},
    {frame(0x88, "\x03\xe8" + std::string(123, 'r')), {"close:1000:" + std::string(123, 'r')}},
    {frame(0x88, "\x03\xe8"), {"close:1000:"}},
    {frame(0x88,
           "\x03\xe8"
           "bye \xc3\xa4"),
     {"close:1000:bye \xc3\xa4"}},
    {frame(0x01, "abc") + frame(0x88,
                                "\x03\xe9"
                                "x"),
     {"close:1001:x"}},
    {frame(0x88, "\x03"), {"error:1002"}},
    {frame(0x88, "\x03\xe8\xff"), {"error:1007"}},
    {frame(0x88, "\x03\xe8\xc3"), {"error:1007"}},
    // silence afterwards
    {frame(0x88, "") + frame(0x81, "late") + frame(0x88, ""), {"close:1005:"}},
    {frame(0x83, "") + frame(0x81, "late"), {"error:1002"}},
};

}  // namespace

TEST_CASE("conversations, whole, dripped and cut in two anywhere") {
    for (const Conversation& talk : kConversations) {
        INFO(talk.bytes.substr(0, 64));
        CHECK(decode(talk.bytes) == talk.events);
        CHECK(decode(talk.bytes, 1) == talk.events);
        if (talk.bytes.size() > 1000) continue;
        for (size_t cut = 1; cut < talk.bytes.size(); ++cut) {
            WebSocketDecoder decoder;
            Events events;
            feed(decoder, std::string_view(talk.bytes).substr(0, cut), {}, events);
            feed(decoder, std::string_view(talk.bytes).substr(cut), {}, events);
            REQUIRE(events == talk.events);
        }
    }
}

TEST_CASE("close codes") {
    for (unsigned code = 0; code < 65536; ++code) {
        const bool valid = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                           (code >= 3000 && code <= 4999);
        const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
        const Events expected{valid ? "close:" + std::to_string(code) + ":" : "error:1002"};
        if (decode(frame(0x88, payload)) != expected) FAIL("close code " << code);
    }
}

TEST_CASE("messages up to the limit") {
    for (size_t step : {size_t{1} << 20, size_t{1000}, size_t{1}}) {
        CHECK(decode(frame(0x82, std::string(65535, 'a')), step).front().size() == 65535 + 7);
        CHECK(decode(frame(0x82, std::string(65536, 'a')), step).front().size() == 65536 + 7);
        CHECK(decode(frame(0x82, std::string(65537, 'a')), step) == Events{"error:1009"});
    }
    const WebSocketLimits ten{.max_message = 10};
    const auto in_two = [&](size_t second) {
        return decode(
            frame(0x02, "abcdefgh") + frame(0x89, "pingpingping") + frame(0x80, std::string(second, 'x')),
            ten);
    };
    CHECK(in_two(1).back() == "binary:abcdefghx");
    CHECK(in_two(2).back() == "binary:abcdefghxx");
    CHECK(in_two(3) == Events{"ping:pingpingping", "error:1009"});
    // The sum starts anew with each message.
    CHECK(decode(frame(0x82, "abcdefghij") + frame(0x82, "klmnopqrst"), ten).size() == 2);
}

TEST_CASE("fragments up to the limit, empty ones too") {
    const auto fragments = [](size_t number) {
        std::string bytes = frame(0x01, "");
        for (size_t i = 2; i < number; ++i) bytes += frame(0x00, "");
        return decode(bytes + frame(0x80, "x") + frame(0x81, "y"), 7);
    };
    CHECK(fragments(1023) == Events{"text:x", "text:y"});
    CHECK(fragments(1024) == Events{"text:x", "text:y"});
    CHECK(fragments(1025) == Events{"error:1008"});
}

TEST_CASE("an idle decoder owns nothing, and an announced length allocates nothing") {
    CHECK(sizeof(WebSocketDecoder) <= 72);
    WebSocketDecoder decoder;
    Events events;
    const std::string big = frame(0x82, std::string(60000, 'a'));
    const std::string_view view = big;
    CHECK_FALSE(decoder.mid_message());
    feed(decoder, view.substr(0, 1), {}, events);
    CHECK(decoder.mid_message());
    feed(decoder, view.substr(1, 7), {}, events);
    CHECK(decoder.mid_message());
    CHECK(decoder.buffered() == 0);
    feed(decoder, view.substr(8, 100), {}, events);
    CHECK(decoder.buffered() == 100);
    feed(decoder, view.substr(108), {}, events);
    CHECK(events.size() == 1);
    CHECK_FALSE(decoder.mid_message());
    CHECK(decoder.buffered() == 0);
    feed(decoder, frame(0x01, "abc"), {}, events);  // between two frames of a message
    CHECK(decoder.mid_message());
    feed(decoder, frame(0x80, "d"), {}, events);
    CHECK_FALSE(decoder.mid_message());
    CHECK(decoder.buffered() == 0);
    feed(decoder, frame(0x89, "ping").substr(0, 8), {}, events);
    CHECK(decoder.mid_message());
    feed(decoder, frame(0x89, "ping").substr(8), {}, events);
    CHECK_FALSE(decoder.mid_message());
    CHECK(decoder.buffered() == 0);
    feed(decoder, announced(uint64_t{1} << 62), {}, events);
    CHECK(events.back() == "error:1009");
    CHECK_FALSE(decoder.mid_message());
    CHECK(decoder.buffered() == 0);
}

TEST_CASE("a whole frame is not copied") {
    std::string bytes = frame(0x82, "payload");
    std::span<char> input(bytes);
    WebSocketDecoder decoder;
    const WsEvent event = decoder.next(input, {});
    CHECK(std::get<WsMessage>(event).payload.data() == bytes.data() + 6);
    CHECK(decoder.buffered() == 0);
}

TEST_CASE("payloads of every size and phase are unmasked") {
    std::string payload;
    for (size_t size = 0; size < 70; ++size) {
        for (size_t step : {size_t{1}, size_t{3}, size_t{7}, size_t{9}, size_t{100}})
            REQUIRE(decode(frame(0x82, payload), step) == Events{"binary:" + payload});
        payload.push_back(static_cast<char>(size * 37));
    }
}

TEST_CASE("frames that are sent") {
    CHECK(encode_frame(Opcode::text, "Hello") == "\x81\x05Hello");
    CHECK(encode_frame(Opcode::ping, "Hello") == "\x89\x05Hello");
    CHECK(encode_frame(Opcode::pong, "") == "\x8a\x00"s);
    const auto header = [](size_t size) {
        char out[10];
        return std::string(out, frame_header(out, Opcode::binary, size));
    };
    CHECK(header(125) == "\x82\x7d");
    CHECK(header(126) == "\x82\x7e\x00\x7e"s);
    CHECK(header(256) == "\x82\x7e\x01\x00"s);
    CHECK(header(65535) == "\x82\x7e\xff\xff"s);
    CHECK(header(65536) == "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s);
    CHECK(header(size_t{1} << 40) == "\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00"s);
}

TEST_CASE("a frame that is written in place is the same, however large it was thought") {
    for (const size_t about : {0U, 125U, 126U, 65535U, 65536U}) {
        for (const size_t size : {0U, 125U, 126U, 65535U, 65536U}) {
            const std::string payload(size, 'z');
            std::string out;
            const size_t begun = begin_frame(out, Opcode::text, about);
            out += payload;
            const size_t header = end_frame(out, Opcode::text, begun);
            CHECK(out == encode_frame(Opcode::text, payload));
            CHECK(header == out.size() - size);
        }
    }
}

TEST_CASE("what is sent, once masked, is what is received") {
    for (size_t size : {0U, 1U, 125U, 126U, 65535U, 65536U}) {
        const std::string payload(size, 'z');
        std::string sent = encode_frame(Opcode::binary, payload);
        const size_t header = sent.size() - size;
        sent[1] = static_cast<char>(sent[1] | '\x80');
        CHECK(decode(sent.substr(0, header) + masked(payload)) == Events{"binary:" + payload});
    }
}

TEST_CASE("close frames that are sent") {
    CHECK(close_frame(1000, "") == "\x88\x02\x03\xe8");
    CHECK(close_frame(1008, "no") == "\x88\x04\x03\xf0no");
    CHECK(close_frame(1005, "ignored") == "\x88\x00"s);
    CHECK(close_frame(1000, std::string(123, 'a')).size() == 2 + 2 + 123);
    CHECK(close_frame(1000, std::string(124, 'a')).size() == 2 + 2 + 123);
    const std::string before(122, 'a');
    CHECK(close_frame(1000, before + "\xc3\xa4").substr(4) == before);
    CHECK(close_frame(1000, before.substr(1) + "\xc3\xa4").substr(4) == before.substr(1) + "\xc3\xa4");
    CHECK(close_frame(1000, before.substr(2) + "\xf0\x9f\x98\x80").substr(4) == before.substr(2));
}
