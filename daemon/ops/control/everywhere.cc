#include "daemon/ops/control/everywhere.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/base/json_writer.h"

namespace wayleave {
namespace {

constexpr std::string_view prefix = "/all";
constexpr size_t most_answer = 500'000;  // of a node: Redis passes it on to who has asked

struct Allowed {
    std::string_view method;
    std::string_view path;
};
constexpr std::array<Allowed, 4> allowed{
    {{"GET", "/status"}, {"GET", "/bans"}, {"POST", "/sessions"}, {"POST", "/kick"}}};

bool is_allowed(std::string_view method, std::string_view path) {
    return std::any_of(allowed.begin(), allowed.end(),
                       [&](const Allowed& one) { return one.method == method && one.path == path; });
}

// What one node says, as its own control socket would.
struct Said {
    int status = 0;
    std::string json;
};

// STATUS, a line's end, JSON. Another node has written it: what is not of that form is nothing.
std::optional<Said> read_said(const std::string& text) {
    const size_t end = text.find('\n');
    if (end == std::string::npos) return std::nullopt;
    Said out;
    const char* last = text.data() + end;
    const auto [stopped, error] = std::from_chars(text.data(), last, out.status);
    if (error != std::errc() || stopped != last || out.status < 200 || out.status > 599) return std::nullopt;
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    const simdjson::padded_string padded(std::string_view(text).substr(end + 1));
    if (parser.parse(padded).get(object) != simdjson::SUCCESS) return std::nullopt;
    out.json = simdjson::minify(object);
    return out;
}

std::string said_text(const OpsAnswer& answer) {
    if (answer.body.size() <= most_answer) return std::to_string(answer.status) + "\n" + answer.body;
    const auto too_large = JsonObject()
                               .add("status", 507)
                               .add("detail", "this is more than Redis passes on; ask the node itself");
    return "507\n" + too_large.text();
}

JsonObject begin_node(const NodeStatus& node) {
    return JsonObject().add("id", node.id).add("name", node.report.name).add("self", node.self);
}

// Answers when this node and all others have, or are given up.
struct Gathering {
    std::string own;                    // the object of this node
    std::optional<std::string> others;  // their objects, each behind a comma
    bool all = true;
    Responder respond;

    void conclude() {
        if (own.empty() || !others) return;
        JsonObject out;
        out.raw("nodes", "[" + own + *others + "]").add("all", all);
        respond({200, "application/json", out.text() + "\n"});
    }
    void add(std::vector<NodeAnswer> answers) {
        others.emplace();
        for (NodeAnswer& one : answers) {
            const auto said = one.because.empty() ? read_said(one.text) : std::nullopt;
            if (!said && one.because.empty()) one.because = "its answer cannot be read";
            JsonObject node = begin_node(one.node);
            if (said) {
                node.add("status", said->status).raw("answer", said->json);
            } else {
                node.add("because", one.because);
            }
            all = all && said;
            *others += "," + node.text();
        }
        conclude();
    }
};

std::string_view without_end(std::string_view json) {
    while (json.ends_with('\n')) json.remove_suffix(1);
    return json;
}

NodeStatus self_in(const Commons* commons) {
    NodeStatus out;
    if (commons) {
        for (NodeStatus& node : commons->nodes().nodes) {
            if (node.self) out = std::move(node);
        }
    }
    out.self = true;
    return out;
}

}  // namespace

bool is_for_all(const OpsRequest& request) {
    return request.path.starts_with(prefix) && is_allowed(request.method, request.path.substr(prefix.size()));
}

void ask_everywhere(const OpsRequest& request, const ControlActions& actions, Commons* commons,
                    LoopCalls& calls, const Responder& respond) {
    const auto gathering = std::make_shared<Gathering>();
    gathering->respond = respond;
    OpsRequest own = request;
    own.path = request.path.substr(prefix.size());
    if (commons) {
        commons->ask_nodes(
            std::string(own.method) + " " + std::string(own.path) + "\n" + std::string(own.body),
            [gathering, &calls](std::vector<NodeAnswer> answers) {
                calls.post([gathering, answers = std::move(answers)] { gathering->add(answers); });
            });
    } else {
        gathering->others.emplace();
    }
    answer_control(own, actions, [gathering, self = self_in(commons)](const OpsAnswer& answer) {
        if (answer.status == 400) return gathering->respond(answer);  // as all others will say
        JsonObject node = begin_node(self);
        node.add("status", answer.status).raw("answer", without_end(answer.body));
        gathering->own = node.text();
        gathering->conclude();
    });
}

void answer_node(std::string_view question, const ControlActions& actions,
                 const std::function<void(std::string)>& answer) {
    const size_t space = question.find(' ');
    const size_t end = question.find('\n');
    OpsRequest request;
    if (space < end && end != std::string_view::npos) {
        request.method = question.substr(0, space);
        request.path = question.substr(space + 1, end - space - 1);
        request.body = question.substr(end + 1);
    }
    if (!is_allowed(request.method, request.path))
        return answer(
            said_text({404, "", R"({"status":404,"detail":"this node does not know the question"})"}));
    answer_control(request, actions, [answer](const OpsAnswer& said) { answer(said_text(said)); });
}

}  // namespace wayleave
