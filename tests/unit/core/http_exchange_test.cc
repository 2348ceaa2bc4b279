#include "daemon/protocol/http_exchange.h"

#include <catch2/catch.hpp>
#include <string>
#include <variant>

using namespace wayleave;
using State = HttpExchange::State;

namespace {

// Of a request without its body. The exchange keeps no view of it.
HttpExchange exchange_of(const std::string& request) {
    size_t scanned = 0;
    const HeadResult parsed = parse_head(request, HeadLimits{}, scanned);
    REQUIRE(std::holds_alternative<HttpHead>(parsed));
    const auto& head = std::get<HttpHead>(parsed);
    return {head, "/target", "X-Ours: yes\r\n", may_be_repeated(head)};
}

struct Told {
    State state = State::reading;
    std::string text;
    bool keep_alive = false;
};

// What the client hears does not depend on how the backend's bytes were split.
Told respond(const std::string& request, const std::string& response, bool ends = false) {
    Told out;
    for (const size_t step : {response.size(), size_t{1}, size_t{7}}) {
        HttpExchange exchange = exchange_of(request);
        std::string text;
        State state = State::reading;
        for (size_t at = 0; at < response.size() && state == State::reading; at += step)
            state = exchange.read_response(std::string_view(response).substr(at, step), text);
        if (ends && state == State::reading) state = exchange.end_response(text);
        if (step != response.size()) CHECK(state == out.state);
        out.state = state;
        if (step == response.size()) out.text = text;
        out.keep_alive = exchange.keep_alive();
    }
    return out;
}

const std::string get = "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n";
const std::string old_get = "GET /x HTTP/1.0\r\n\r\n";
const std::string head = "HEAD /x HTTP/1.1\r\nHost: a.example\r\n\r\n";

}  // namespace

TEST_CASE("a request goes on without what is of the hop") {
    HttpExchange made = exchange_of(
        "POST /x HTTP/1.1\r\nHost: A.example:80\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n"
        "TE: trailers\r\nUpgrade: h2c\r\nX-Forwarded-For: 1.1.1.1\r\nContent-Length: 3\r\n\r\n");
    const std::string text(made.output());
    CHECK(text.starts_with("POST /target HTTP/1.1\r\nHost: "));
    CHECK(text.ends_with("Connection: close\r\nX-Kept: 2\r\nX-Ours: yes\r\nContent-Length: 3\r\n\r\n"));
    std::string_view body = "abcGET ";
    CHECK(made.read_request(body) == State::complete);
    CHECK(body == "GET ");
    CHECK(made.output() == text + "abc");
    made.written(text.size() + 1);
    CHECK(made.output() == "bc");
}

TEST_CASE("a body in chunks is framed anew, without extensions and trailers") {
    HttpExchange made = exchange_of("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    made.written(made.output().size());
    std::string_view body = "5;ext=1\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\nGET";
    CHECK(made.read_request(body) == State::complete);
    CHECK(made.output() == "5\r\nhello\r\n0\r\n\r\n");
    CHECK(body == "GET");
    HttpExchange bad = exchange_of("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    body = "5\nhello";
    CHECK(bad.read_request(body) == State::broken);
    CHECK(bad.status() == 400);
}

TEST_CASE("a response of a known length") {
    const Told out =
        respond(get, "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX: y\r\nKeep-Alive: 5\r\n\r\nokHTTP/1.1 200");
    CHECK(out.state == State::complete);
    CHECK(out.text == "HTTP/1.1 200 Fine\r\nX: y\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
}

TEST_CASE("a response in chunks, for clients of both versions") {
    const std::string response =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: u\r\n\r\n";
    CHECK(respond(get, response).text ==
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: "
          "keep-alive\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    const Told old = respond(old_get, response);
    CHECK(old.text == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    CHECK_FALSE(old.keep_alive);
}

TEST_CASE("a response until the end of the connection") {
    const Told out = respond(get, "HTTP/1.0 200 OK\r\n\r\nabc", true);
    CHECK(out.state == State::complete);
    CHECK(out.text.ends_with(
        "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    CHECK(respond(get, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", true).state == State::broken);
    CHECK(respond(get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true).state ==
          State::broken);
    CHECK(respond(get, "HTTP/1.1 200", true).state == State::broken);
}

TEST_CASE("responses that have no body, whatever they say") {
    const Told of_head = respond(head, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdefg");
    CHECK(of_head.text == "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n");
    CHECK(respond(get, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\nabc").text ==
          "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nConnection: keep-alive\r\n\r\n");
    CHECK(respond(get, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc").text ==
          "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a response before the whole request has come ends the connection") {
    const std::string post = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    const Told out = respond(post, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    CHECK(out.state == State::complete);
    CHECK_FALSE(out.keep_alive);
}

TEST_CASE("responses that could end in two places are none") {
    for (const std::string& fields : {
             std::string("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
             std::string("Content-Length: 1\r\nContent-Length: 1\r\n"),
             std::string("Content-Length: 0x1\r\n"),
             std::string("Content-Length: -1\r\n"),
             std::string("Content-Length:\r\n"),
             std::string("Content-Length: 18446744073709551616\r\n"),
             std::string("Transfer-Encoding: identity\r\n"),
             std::string("Transfer-Encoding: chunked, chunked\r\n"),
             std::string("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
         }) {
        INFO(fields);
        CHECK(respond(get, "HTTP/1.1 200 OK\r\n" + fields + "\r\na").state == State::broken);
        CHECK(respond(head, "HTTP/1.1 200 OK\r\n" + fields + "\r\n").state == State::broken);
    }
    CHECK(respond(get, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").state ==
          State::broken);
    CHECK(respond(get, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n").state == State::broken);
    CHECK(respond(get, "HTTP/1.1 200 O\rK\r\n\r\n").state == State::broken);
}

TEST_CASE("interim responses go on to those who know them") {
    const std::string response =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nUpgrade: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    CHECK(respond(get, response).text ==
          "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: "
          "keep-alive\r\n\r\n");
    CHECK(respond(old_get, response).text == "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    std::string flood;
    for (int i = 0; i < 17; ++i) flood += "HTTP/1.1 102 Processing\r\n\r\n";
    CHECK(respond(get, flood).state == State::broken);
}

TEST_CASE("which connections to a backend another request may go over") {
    const auto leaves = [](const std::string& request, const std::string& response) {
        HttpExchange exchange = exchange_of(request);
        std::string told;
        const State state = exchange.read_response(response, told);
        CHECK_FALSE(exchange.leaves_open());  // what was asked is not written yet
        exchange.written(exchange.output().size());
        return state == State::complete && exchange.leaves_open();
    };
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    CHECK(leaves(get, ok + "Content-Length: 2\r\n\r\nok"));
    CHECK(leaves(get, ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
    CHECK(leaves(get, ok + "Connection: keep-alive\r\nContent-Length: 0\r\n\r\n"));
    CHECK(leaves(get, "HTTP/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"));
    CHECK(leaves("OPTIONS /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                 ok + "Content-Length: 0\r\n\r\n"));
    CHECK_FALSE(leaves(get, ok + "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"));
    CHECK_FALSE(leaves(get, "HTTP/1.1 304 Not Modified\r\n\r\n"));
    CHECK_FALSE(leaves(head, ok + "Content-Length: 7\r\n\r\n"));
    CHECK_FALSE(leaves(head, ok + "Content-Length: 7\r\n\r\nabcdefg"));
    CHECK_FALSE(leaves(get, "HTTP/1.1 304 Not Modified\r\n\r\nx"));
    CHECK_FALSE(leaves(get, ok + "Connection: x, Close\r\nContent-Length: 2\r\n\r\nok"));
    CHECK_FALSE(leaves(get, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    CHECK_FALSE(leaves(get, ok + "\r\nok"));
    CHECK_FALSE(
        leaves("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", ok + "Content-Length: 0\r\n\r\n"));
    CHECK_FALSE(leaves("get /x HTTP/1.1\r\nHost: a\r\n\r\n", ok + "Content-Length: 0\r\n\r\n"));
    CHECK_FALSE(
        leaves("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", ok + "Content-Length: 0\r\n\r\n"));
}

TEST_CASE("a request that nobody has answered is said again as it was") {
    HttpExchange exchange = exchange_of(get);
    const std::string text(exchange.output());
    CHECK(text.find("Connection:") == std::string::npos);
    exchange.written(text.size());
    CHECK(exchange.heard_nothing());
    exchange.repeat();
    CHECK(exchange.output() == text);
    std::string told;
    (void)exchange.read_response("H", told);
    CHECK_FALSE(exchange.heard_nothing());
}
