// permessage-deflate: the negotiation, the bytes of RFC 7692 7.2.3, and the bounds on what comes out.
#include "daemon/protocol/deflate.h"

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "daemon/message/shared_frame.h"
#include "daemon/protocol/deflate_offer.h"
#include "daemon/protocol/websocket.h"

using namespace wayleave;

namespace {

std::string inflated(Inflater& inflater, std::string_view bytes, size_t most = 1 << 20) {
    const auto result = inflater.inflate(bytes, most);
    if (const auto* error = std::get_if<InflateError>(&result))
        return *error == InflateError::too_big ? "too big" : "bad";
    return std::string(std::get<std::string_view>(result));
}

std::string inflated(std::string_view bytes) {
    Inflater inflater;
    return inflated(inflater, bytes);
}

std::string answer(const std::vector<std::string>& fields) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const std::string& field : fields) text += "Sec-WebSocket-Extensions: " + field + "\r\n";
    text += "\r\n";
    size_t scanned = 0;
    const auto head = parse_head(text, HeadLimits{}, scanned);
    REQUIRE(std::holds_alternative<HttpHead>(head));
    const ExtensionOffers offers = read_extension_offers(std::get<HttpHead>(head));
    if (!offers.well_formed) return "ill-formed";
    if (!offers.terms) return "none";
    const std::string whole = deflate_answer(*offers.terms);
    const std::string always = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    REQUIRE(whole.starts_with(always));
    return "yes" + whole.substr(always.size());
}

std::string noise(size_t size) {
    std::string out;
    uint64_t state = 88172645463325252ULL;
    while (out.size() < size) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out += static_cast<char>(state);
    }
    return out;
}

}  // namespace

TEST_CASE("offers of permessage-deflate", "[deflate]") {
    struct Case {
        const char* offer;
        const char* answer;
    };
    for (const Case& c : {
             Case{"permessage-deflate", "yes"},
             Case{"permessage-deflate; client_max_window_bits", "yes"},
             Case{"permessage-deflate; client_max_window_bits=8", "yes"},
             Case{"permessage-deflate ; client_max_window_bits = \"15\"", "yes"},
             Case{"permessage-deflate;server_no_context_takeover;client_no_context_takeover", "yes"},
             Case{"permessage-deflate; server_max_window_bits=10", "yes; server_max_window_bits=10"},
             Case{"permessage-deflate; server_max_window_bits=\"15\"", "yes; server_max_window_bits=15"},
             Case{"permessage-deflate; server_max_window_bits=\"1\\0\"", "yes; server_max_window_bits=10"},
             Case{"x-webkit-deflate-frame, permessage-deflate", "yes"},
             Case{",, permessage-deflate,", "yes"},
             // Declined, and the next is looked at.
             Case{"permessage-deflate; server_max_window_bits", "none"},
             Case{"permessage-deflate; server_max_window_bits=7", "none"},
             Case{"permessage-deflate; server_max_window_bits=16", "none"},
             Case{"permessage-deflate; server_max_window_bits=08", "none"},
             Case{"permessage-deflate; server_max_window_bits=+9", "none"},
             Case{"permessage-deflate; server_max_window_bits=1e1", "none"},
             Case{"permessage-deflate; client_max_window_bits=99999999999999999999", "none"},
             Case{"permessage-deflate; client_max_window_bits=a", "none"},
             Case{"permessage-deflate; server_no_context_takeover=1", "none"},
             Case{"permessage-deflate; client_no_context_takeover=true", "none"},
             Case{"permessage-deflate; client_max_window_bits; client_max_window_bits", "none"},
             Case{"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "none"},
             Case{"permessage-deflate; mystery", "none"},
             Case{"permessage-deflate; server_max_window_bits=7, permessage-deflate", "yes"},
             Case{"permessage-deflate; a=b, permessage-deflate; server_max_window_bits=9, permessage-deflate",
                  "yes; server_max_window_bits=9"},
             Case{"permessage-bzip2; client_max_window_bits=9", "none"},
             Case{"Permessage-Deflate", "none"},
             Case{"", "none"},
             // No list of extensions at all.
             Case{"permessage-deflate;", "ill-formed"},
             Case{"permessage-deflate; ", "ill-formed"},
             Case{"; a", "ill-formed"},
             Case{"permessage-deflate; =", "ill-formed"},
             Case{"permessage-deflate; a=", "ill-formed"},
             Case{"permessage-deflate; a=\"\"", "ill-formed"},
             Case{"permessage-deflate; a=\"b", "ill-formed"},
             Case{"permessage-deflate; a=\"b c\"", "ill-formed"},
             Case{"permessage-deflate; a=b c", "ill-formed"},
             Case{"permessage deflate", "ill-formed"},
             Case{"permessage-deflate, a/b", "ill-formed"},
             Case{"permessage-deflate; a=\"b\\", "ill-formed"},
         }) {
        INFO(c.offer);
        CHECK(answer({c.offer}) == c.answer);
    }
    CHECK(answer({}) == "none");
    CHECK(answer({"a", "permessage-deflate; server_max_window_bits=12"}) == "yes; server_max_window_bits=12");
    CHECK(answer({"permessage-deflate", "a b"}) == "ill-formed");
    std::string flood;
    for (int i = 0; i < 150; ++i) flood += "permessage-deflate; client_max_window_bits=7,";
    CHECK(answer({flood}) == "none");
}

TEST_CASE("the examples of RFC 7692 7.2.3", "[deflate]") {
    Inflater inflater;
    const auto text = [&](std::initializer_list<int> bytes) {
        std::string in;
        for (const int byte : bytes) in += static_cast<char>(byte);
        return inflated(inflater, in);
    };
    CHECK(text({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}) == "Hello");
    CHECK(text({0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00}) == "Hello");  // stored
    CHECK(text({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}) == "Hello");  // a final block
    CHECK(text({0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00}) == "Hello");
    CHECK(text({0x00}).empty());
    // 7.2.3.2 refers to the message before, which is forgotten.
    CHECK(text({0xf2, 0x00, 0x11, 0x00, 0x00}) == "bad");
}

TEST_CASE("what is compressed inflates to the same", "[deflate]") {
    Inflater inflater;
    Deflater deflater;
    for (const size_t size : {128UL, 1000UL, 4095UL, 4096UL, 65535UL, 65536UL, 1000000UL}) {
        std::string text;
        for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i * i % 977) + ",";
        text.resize(size);
        const std::string compressed = deflater.deflate(text);
        CHECK(compressed.size() < text.size());
        CHECK(inflated(inflater, compressed) == text);
        CHECK(inflated(inflater, compressed, size) == text);
        CHECK(inflated(inflater, compressed, size - 1) == "too big");
    }
    CHECK(deflater.deflate(noise(5000)).empty());
    CHECK(deflater.deflate("").empty());
}

TEST_CASE("data that does not inflate is told from data that inflates to too much", "[deflate]") {
    Inflater inflater;
    Deflater deflater;
    const std::string good = deflater.deflate(std::string(300, 'a') + noise(300));
    CHECK(inflated(inflater, "") == "bad");
    CHECK(inflated(inflater, "\xff\xff\xff") == "bad");
    CHECK(inflated(inflater, std::string_view("\x07\x00", 2)) == "bad");  // block type 3
    for (size_t cut = 1; cut < good.size(); ++cut)
        CHECK(inflated(inflater, std::string_view(good).substr(0, cut)) !=
              std::string(300, 'a') + noise(300));
    CHECK(inflated(inflater, good.substr(0, good.size() - 1)) == "bad");
    CHECK(inflated(inflater, good) == std::string(300, 'a') + noise(300));  // the bad ones left nothing
    CHECK(inflated(noise(1000)) == "bad");
}

TEST_CASE("a bomb ends at the ratio, and little is kept", "[deflate]") {
    Inflater inflater;
    Deflater deflater;
    const std::string bomb = deflater.deflate(std::string(16 << 20, '\0'));
    REQUIRE(bomb.size() < 100000);
    CHECK(inflated(inflater, bomb, 64 << 20) == "too big");
    CHECK(inflater.buffered() <= 2 * (bomb.size() * inflate_ratio + 1));
    // The floor: a short message of blanks is no bomb.
    CHECK(inflated(inflater, deflater.deflate(std::string(inflate_floor, ' '))) ==
          std::string(inflate_floor, ' '));
    CHECK(inflater.buffered() <= 128 << 10);
    CHECK(inflated(inflater, deflater.deflate(std::string(40000, ' '))) == "too big");
}

TEST_CASE("a frame is compressed once, whoever asks", "[deflate]") {
    const SharedFrame frame(Opcode::text, std::string(1000, 'x'));
    std::vector<Frame> got(4);
    std::vector<std::thread> threads;
    for (Frame& mine : got)
        threads.emplace_back([&] {
            Deflater deflater;
            mine = frame.deflated(deflater);
        });
    for (std::thread& thread : threads) thread.join();
    for (const Frame& one : got) CHECK(one == got[0]);
    REQUIRE(got[0]);
    CHECK(static_cast<unsigned char>((*got[0])[0]) == 0xc1);
    CHECK(inflated(std::string_view(*got[0]).substr(2)) == std::string(1000, 'x'));
    Deflater deflater;
    CHECK_FALSE(SharedFrame(Opcode::text, std::string(least_deflated - 1, 'x')).deflated(deflater));
    CHECK_FALSE(SharedFrame(Opcode::binary, noise(1000)).deflated(deflater));
}
