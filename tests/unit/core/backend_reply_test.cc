#include "daemon/message/backend_reply.h"

#include <catch2/catch.hpp>

using namespace wayleave;

namespace {

BackendReply reply_to(int status, std::string type, std::string body) {
    BackendAnswer answer;
    answer.kind = BackendAnswer::Kind::answered;
    answer.status = status;
    answer.content_type = std::move(type);
    answer.body = std::move(body);
    return read_reply(answer);
}

BackendReply ordered(std::string body) {
    return reply_to(200, "application/wayleave+json", std::move(body));
}

}  // namespace

TEST_CASE("an answer is what its status and its media type say") {
    using Kind = BackendReply::Kind;
    struct Case {
        int status;
        const char* type;
        std::string body;
        Kind kind;
    };
    for (const auto& [status, type, body, kind] : {
             Case{204, "", "", Kind::nothing},
             Case{200, "text/html", "", Kind::nothing},
             Case{200, "application/json", "{\"publish\": []}", Kind::reply},
             Case{201, "application/json", "null", Kind::reply},
             Case{200, "application/json", "1e400", Kind::reply},
             Case{200, "application/json", "{\"a\":", Kind::unavailable},
             Case{200, "application/json", "{} {}", Kind::unavailable},
             Case{200, "application/json", "\"\xff\"", Kind::unavailable},
             Case{200, "application/json", std::string(2000, '['), Kind::unavailable},
             Case{200, "text/plain", "{}", Kind::unavailable},
             Case{200, "application/wayleave+json", "{}", Kind::orders},
             Case{200, "application/wayleave+json", "[]", Kind::unavailable},
             Case{302, "", "", Kind::unavailable},
             Case{101, "", "", Kind::unavailable},
             Case{404, "", "", Kind::refused},
             Case{500, "application/json", "{}", Kind::unavailable},
         }) {
        INFO(status << " " << type << " " << body);
        CHECK(reply_to(status, type, body).kind == kind);
    }
    CHECK(read_reply({}).kind == Kind::unavailable);
}

TEST_CASE("a reply keeps its numbers and loses its blanks") {
    CHECK(reply_to(200, "application/json", "{ \"n\" : 123456789012345678901 ,\n\"t\" : \" a \" }").reply ==
          "{\"n\":123456789012345678901,\"t\":\" a \"}");
}

TEST_CASE("a no has words that are fit for a client, or none") {
    const auto problem = [](std::string body) {
        return reply_to(422, "application/problem+json", std::move(body));
    };
    CHECK(problem(R"({"error":"too_late","detail":"it is over"})").error == "too_late");
    CHECK(problem(R"({"error":"too_late","detail":"it is over"})").because == "it is over");
    CHECK(problem(R"({"because":"no"})").because == "no");
    for (const char* body : {R"({"error":"A B","detail":"a\nb"})", R"({"error":"","detail":7})",
                             R"({"error":["a"]})", "[]", "x", R"({"detail":"\u001b[31m"})"}) {
        INFO(body);
        CHECK(problem(body).error.empty());
        CHECK(problem(body).because.empty());
    }
    CHECK(problem("{\"detail\":\"" + std::string(5000, 'a') + "\"}").because.empty());
    CHECK(reply_to(403, "text/plain", R"({"error":"x"})").error.empty());
}

TEST_CASE("orders are read whole or not at all") {
    const BackendReply good =
        ordered(R"( {"reply": [1, 2], "publish": [{"channel": "a", "data": {"x": 1}}, {"b": 2}],
        "send": [{"type": "t"}], "subscribe": ["a/b"], "unsubscribe": [], "close": {"code": 4001, "because": "x", "reconnect": true}} )");
    REQUIRE(good.kind == BackendReply::Kind::orders);
    CHECK(good.orders.reply == "[1,2]");
    CHECK(good.orders.publish ==
          std::vector<std::string>{R"({"channel": "a", "data": {"x": 1}})", R"({"b": 2})"});
    CHECK(good.orders.send == std::vector<std::string>{R"({"type": "t"})"});
    CHECK(good.orders.subscribe == std::vector<std::string>{"a/b"});
    REQUIRE(good.orders.close);
    CHECK(good.orders.close->code == 4001);
    CHECK(good.orders.close->reconnect);
    CHECK(ordered(R"({"close": 1000})").orders.close->code == 1000);
    for (const char* body :
         {R"({"publish": {}})", R"({"publish": [1]})", R"({"send": ["a"]})", R"({"subscribe": [1]})",
          R"({"subscribe": "a"})", R"({"close": 1006})", R"({"close": 1001})", R"({"close": 70000})",
          R"({"close": {"code": "x"}})", R"({"close": {}})", R"({"close": {"code": 4000, "more": 1}})",
          R"({"close": {"code": 4000, "because": "a\nb"}})", R"({"close": null})", R"({"unknown": 1})",
          R"({"reply": 1, "reply": 2})", R"({"publish": [],})", R"({"reply": 1} x)"}) {
        INFO(body);
        const BackendReply bad = ordered(body);
        CHECK(bad.kind == BackendReply::Kind::unavailable);
        CHECK_FALSE(bad.because.empty());
    }
}
