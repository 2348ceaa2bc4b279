#include "daemon/explain/simulate.h"

#include <simdjson.h>

#include <algorithm>
#include <map>

#include "daemon/base/json_value.h"
#include "daemon/base/json_writer.h"
#include "daemon/session/target_readings.h"
#include "dsl/policy/describe.h"

namespace wayleave {
namespace {

using From = dsl::SourceKind;

constexpr std::string_view stated = "stated-claims";

// Believes what is stated about one token, and asks the real keys about everything else.
class StatedVerifier final : public TokenVerifier {
  public:
    StatedVerifier(const TokenVerifier& real, size_t token, std::string claims)
        : real_(real), token_(token), claims_(std::move(claims)) {}

    Proof verify(const Credential& credential, Now now) const override {
        if (credential.text != stated) return real_.verify(credential, now);
        if (credential.token == token_) return Proof::good(claims_);
        return Proof::refused("these claims are stated for another token");
    }

  private:
    const TokenVerifier& real_;
    size_t token_;
    std::string claims_;
};

// --- JSON from values ---

// Puts a value where the policy reads it: `as "realm.roles"` leads into an object.
void insert(std::vector<dsl::TestValue>& into, const std::vector<std::string>& path, size_t depth,
            const dsl::TestValue& value) {
    const auto it = std::find_if(into.begin(), into.end(),
                                 [&](const dsl::TestValue& known) { return known.name == path[depth]; });
    if (depth + 1 == path.size()) {
        dsl::TestValue leaf = value;
        leaf.name = path[depth];
        into.push_back(std::move(leaf));
        return;
    }
    dsl::TestValue* object = it == into.end() ? &into.emplace_back() : &*it;
    object->name = path[depth];
    object->object = true;
    insert(object->members, path, depth + 1, value);
}

std::string claims_json(const dsl::TokenDecl& token, const std::vector<dsl::TestValue>& claims) {
    std::vector<dsl::TestValue> tree;
    for (const dsl::TestValue& value : claims) {
        const auto it = std::find_if(token.claims.begin(), token.claims.end(),
                                     [&](const dsl::ClaimDecl& claim) { return claim.name == value.name; });
        if (it != token.claims.end()) insert(tree, it->member, 0, value);
    }
    return json_of(tree);
}

// Whoever states claims means a token of that issuer and for that audience, young and unused, unless he says
// otherwise.
Result<std::string> with_names(const dsl::TokenDecl& token, const std::string& claims, Now now) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(claims).get(object) != simdjson::SUCCESS)
        return failure("the claims of `" + token.name + "` are no JSON object");
    JsonObject out;
    const auto absent = [&](std::string_view name) {
        return object.at_key(name).error() != simdjson::SUCCESS;
    };
    constexpr int64_t hour_s = 3600;
    if (absent("iss")) out.add_if_any("iss", token.issuer);
    if (absent("aud")) out.add_if_any("aud", token.audience);
    if (token.single_use && absent("jti")) out.add("jti", stated);
    if (token.needs_exp && absent("exp")) out.add("exp", now.wall_ms / 1000 + hour_s);
    if (token.max_age_ms > 0 && absent("iat")) out.add("iat", now.wall_ms / 1000);
    const size_t open = claims.find('{');
    const bool empty = object.size() == 0;
    std::string named = out.text();
    named.pop_back();
    return named + (named.size() > 1 && !empty ? "," : "") + claims.substr(open + 1);
}

// --- the request ---

std::string query_escaped(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            ((out += '%') += digits[byte >> 4]) += digits[byte & 15];
        }
    }
    return out;
}

// The text of a request, source by source.
class RequestWriter {
  public:
    explicit RequestWriter(const ClientSpec& sketch) : sketch_(sketch) {
        const size_t slash = sketch.address.find('/');
        host_ = slash == 0 || slash == std::string::npos ? sketch.host : sketch.address.substr(0, slash);
        target_ = slash == std::string::npos ? "/" : sketch.address.substr(slash);
        if (host_.empty()) host_ = "localhost";
    }

    void put(const dsl::TokenSource& source, std::string_view value, bool credential) {
        switch (source.kind) {
            case From::query:
                target_ += (target_.find('?') == std::string::npos ? "?" : "&") + query_escaped(source.name) +
                           "=" + query_escaped(value);
                break;
            case From::cookie:
                cookies_ += (cookies_.empty() ? "" : "; ") + source.name + "=" + std::string(value);
                break;
            case From::header:
                header(source.name,
                       (credential && source.name == "authorization" ? "Bearer " : "") + std::string(value));
                break;
            case From::subprotocol:
                protocols_ += (protocols_.empty() ? "" : ", ") + source.name + ", " + std::string(value);
                break;
            case From::certificate: shows_certificate_ = true; break;
        }
    }

    void header(std::string_view name, std::string_view value) {
        headers_ += std::string(name) + ": " + std::string(value) + "\r\n";
    }

    std::string text(std::string_view origin, bool has_origin) const {
        std::string out = "GET " + target_ + " HTTP/1.1\r\nHost: " + host_ +
                          "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        if (has_origin) out += "Origin: " + std::string(origin) + "\r\n";
        std::string protocols = sketch_.subprotocol;
        if (!protocols_.empty()) protocols += (protocols.empty() ? "" : ", ") + protocols_;
        if (!protocols.empty()) out += "Sec-WebSocket-Protocol: " + protocols + "\r\n";
        if (!cookies_.empty()) out += "Cookie: " + cookies_ + "\r\n";
        return out + headers_ + "\r\n";
    }

    [[nodiscard]] const std::string& host() const { return host_; }
    [[nodiscard]] bool shows_certificate() const { return shows_certificate_; }
    [[nodiscard]] std::string path() const { return target_.substr(0, target_.find('?')); }

  private:
    const ClientSpec& sketch_;
    std::string host_;
    std::string target_;
    std::string cookies_;
    std::string protocols_;
    std::string headers_;
    bool shows_certificate_ = false;
};

const dsl::Route* route_at(const dsl::Policy& policy, const RequestWriter& writer, AdmissionKind kind) {
    dsl::RouteMatch match;
    const bool api = kind == AdmissionKind::api;
    const auto authority = parse_authority(writer.host());
    if (!authority || !(api ? policy.api_router : policy.router).find(authority->name, writer.path(), match))
        return nullptr;
    return (api ? policy.apis : policy.routes)[match.route].get();
}

// A page that the route admits; nothing if it asks for none.
std::optional<std::string> usual_origin(const dsl::Route* route, const std::string& host) {
    if (!route) return std::nullopt;
    if (!route->origins.exact.empty()) return route->origins.exact.front();
    if (route->origins.same_host) return "https://" + host;
    if (!route->origins.subdomains.empty()) {
        const auto& [before, after] = route->origins.subdomains.front();
        return before + "www" + after;
    }
    return std::nullopt;
}

void put_credential(RequestWriter& writer, const dsl::Policy& policy, const dsl::Route* route,
                    const ClientSpec& sketch) {
    std::vector<std::pair<From, std::string>> used;
    const auto put = [&](const dsl::TokenDecl& token, std::string_view text) {
        for (const dsl::TokenSource& source : token.from) {
            const std::pair<From, std::string> place(source.kind, source.name);
            if (std::find(used.begin(), used.end(), place) != used.end()) continue;
            used.push_back(place);
            return writer.put(source, text, true);
        }
    };
    for (const dsl::TokenDecl& token : policy.tokens) {
        if (!sketch.token.empty() && token.name == sketch.token) put(token, stated);
    }
    if (sketch.jwt.empty() || !route) return;
    for (const uint32_t number : route->auth) put(policy.tokens[number], sketch.jwt);
}

}  // namespace

std::string json_of(const std::vector<dsl::TestValue>& members) {
    JsonObject out;
    for (const dsl::TestValue& member : members) {
        std::string value;
        if (member.object)
            value = json_of(member.members);
        else
            append_json(value, member.value, member.type);
        out.raw(member.name, value);
    }
    return out.text();
}

ClientSpec client_spec_of(const dsl::Policy& policy, const dsl::TestClient& client) {
    ClientSpec out;
    out.ip = *dsl::parse_address("127.0.0.1");
    out.token = client.token;
    for (const dsl::TokenDecl& token : policy.tokens) {
        if (token.name == client.token) out.claims = claims_json(token, client.claims);
    }
    for (const auto& [name, setting] : client.settings) {
        const auto* text = std::get_if<std::string>(&setting.value.held);
        if (name == "ip") {
            out.ip = std::get<dsl::Address>(setting.value.held);
        } else if (name == "tls") {
            out.tls = std::get<bool>(setting.value.held);
        } else if (name == "host") {
            out.host = *text;
        } else if (name == "subprotocol") {
            out.subprotocol = *text;
        } else if (name == "origin") {
            out.no_origin = setting.object;
            if (!setting.object) out.origin = *text;
        } else {
            out.inputs.emplace_back(name, text ? *text : dsl::print(setting.value, setting.type));
        }
    }
    return out;
}

std::string claims_of(const dsl::Policy& policy, const dsl::TestGrant& grant) {
    for (const dsl::TokenDecl& token : policy.tokens) {
        if (token.name == grant.token) return claims_json(token, grant.claims);
    }
    return "{}";
}

Result<HeldGrant> stated_grant(const dsl::Policy& policy, const dsl::Route& route, std::string_view token,
                               const std::string& claims, Now now) {
    for (size_t place = 0; place < route.grants.size(); ++place) {
        const uint32_t number = route.grants[place].token;
        const dsl::TokenDecl& block = policy.tokens[number];
        if (block.name != token) continue;
        const auto named = with_names(block, claims, now);
        if (!named) return failure(named.error());
        auto read = read_claims(block, *named, now.wall_ms);
        if (!read) return failure(read.error());
        return hold_grant(policy, route, {place, number, {}, false, 0, std::move(*read)});
    }
    return failure("no rule of this route says `with " + std::string(token) + "`");
}

Result<Admission> simulate(const Runtime& runtime, const ClientSpec& sketch, AdmissionKind kind,
                           LimitTable& limits, Now now) {
    const dsl::Policy& policy = *runtime.policy;
    RequestWriter writer(sketch);
    const dsl::Route* route = route_at(policy, writer, kind);
    put_credential(writer, policy, route, sketch);
    for (const auto& [name, value] : sketch.headers) writer.header(name, value);
    for (const auto& [name, value] : sketch.inputs) {
        if (!route) continue;
        for (const dsl::InputDecl& input : route->inputs) {
            if (input.name == name) writer.put(input.from, value, false);
        }
    }
    const auto usual = usual_origin(route, writer.host());
    const bool has_origin = !sketch.no_origin && (sketch.origin || usual);
    const std::string text = writer.text(sketch.origin ? *sketch.origin : usual.value_or(""), has_origin);

    size_t scanned = 0;
    const HeadResult parsed = parse_head(text, {.passes_on = true}, scanned);
    if (const auto* refusal = std::get_if<HeadRefusal>(&parsed))
        return failure("this client cannot be: " + std::string(refusal->reason));
    const auto* head = std::get_if<HttpHead>(&parsed);
    if (!head) return failure("this client cannot be: its request never ends");
    const std::string_view doubt = !head->path_doubt.empty() ? head->path_doubt : head->query_doubt;
    const std::string_view why = kind == AdmissionKind::api ? doubt : why_target_is_refused(policy, *head);
    if (!why.empty()) return failure("this client cannot be: " + std::string(why));
    const auto checked = check_upgrade(*head);
    if (const auto* refusal = std::get_if<HandshakeRefusal>(&checked))
        return failure("this client cannot be: " + std::string(refusal->reason));

    Runtime believing = runtime;
    Peer peer{sketch.ip, sketch.tls};
    for (size_t i = 0; i < policy.tokens.size(); ++i) {
        if (policy.tokens[i].name != sketch.token || sketch.token.empty()) continue;
        auto claims = with_names(policy.tokens[i], sketch.claims, now);
        if (!claims) return failure(claims.error());
        if (writer.shows_certificate()) peer.certificate = std::make_shared<const std::string>(*claims);
        believing.verifier = std::make_shared<const StatedVerifier>(*runtime.verifier, i, std::move(*claims));
    }
    believing.used_tokens = nullptr;  // nobody uses up a token by asking about it
    Admission admission =
        admit(believing, limits, nullptr, peer, *head, std::get<Upgrade>(checked), 1, now, kind);
    if (std::holds_alternative<Waiting>(admission))
        return failure("only the daemon can tell: a backend must be asked about this token");
    return admission;
}

}  // namespace wayleave
