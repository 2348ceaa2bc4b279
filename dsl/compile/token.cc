#include <algorithm>
#include <array>

#include "dsl/compile/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr std::array<std::string_view, 4> algorithms{"HS256", "RS256", "ES256", "EdDSA"};

void check_algorithms(const std::vector<std::string>& names, Span span, Diagnostics& diagnostics) {
    for (const std::string& name : names) {
        if (std::find(algorithms.begin(), algorithms.end(), name) != algorithms.end()) continue;
        diagnostics.error("E016", span, quoted(name) + " is not an algorithm that is accepted", {},
                          "HS256, RS256, ES256 and EdDSA are");
    }
}

bool is_loopback(std::string_view host) {
    if (host == "localhost" || host.starts_with("localhost:")) return true;
    if (host == "[::1]" || host.starts_with("[::1]:")) return true;
    const auto address = parse_address(host.substr(0, host.find(':')));
    return address && host.starts_with("127.");
}

// Keys that come in clear text are anybody's who stands in between; so only from the machine itself.
bool is_key_url(std::string_view url) {
    constexpr size_t longest = 2048;
    const bool tls = url.starts_with("https://");
    if ((!tls && !url.starts_with("http://")) || url.size() > longest) return false;
    const std::string_view rest = url.substr(url.find("//") + 2);
    const std::string_view host = rest.substr(0, rest.find_first_of("/?"));
    const bool plain = std::none_of(rest.begin(), rest.end(), [](unsigned char c) {
        return c <= ' ' || c >= 0x7f || c == '#' || c == '\\' || c == '"';
    });
    return plain && is_server(host) && (tls || is_loopback(host));
}

// A token's settings, one by one.
class TokenSettings {
  public:
    TokenSettings(CompileContext& context, TokenDecl& token)
        : context_(context), token_(token), reader_(context, context.lets) {}

    void read(const ast::Setting& setting) {
        Diagnostics& diagnostics = context_.diagnostics;
        const SettingRow* row = setting_row(Place::token, setting.name.text);
        if (!row) return unknown_setting(diagnostics, setting.name, Place::token);
        if (!seen_.emplace(row->name, setting.name.span).second) {
            auto& diagnostic =
                diagnostics.error("E020", setting.name.span, quoted(row->name) + " is set twice");
            diagnostic.secondary.push_back({seen_.at(row->name), "first here"});
            return;
        }
        if (row->name == "keys") return keys(setting);
        if (row->name == "check") return check(setting);
        if (row->name == "issuer") token_.issuer = reader_.text(setting).value_or("");
        if (row->name == "audience") token_.audience = reader_.text(setting).value_or("");
        if (row->name == "user") token_.user = reader_.text(setting).value_or("");
        if (row->name == "users" && remember(setting, *row)) {
            token_.realm = std::get<std::string>(token_.settings.find("users")->second.held);
            if (token_.realm.empty())
                diagnostics.error("E003", span_of(setting.value), "`users` is empty", {},
                                  "name whoever gives the names, such as \"staff\"");
        }
        if (row->name == "algorithms") {
            token_.algorithms_span = span_of(setting.value);
            token_.algorithms = reader_.texts(setting).value_or(std::vector<std::string>{});
            check_algorithms(token_.algorithms, token_.algorithms_span, diagnostics);
        }
        if (row->name == "cache") token_.cache_ms = number(setting, *row);
        if (row->name == "recheck") token_.recheck_ms = number(setting, *row);
        if (row->name == "max_age") token_.max_age_ms = number(setting, *row);
        if (row->name == "exp" && remember(setting, *row))
            token_.needs_exp = std::get<std::string>(token_.settings.find("exp")->second.held) == "required";
        if (row->name == "single_use" && remember(setting, *row))
            token_.single_use = std::get<bool>(token_.settings.find("single_use")->second.held);
    }
    [[nodiscard]] bool has(std::string_view name) const { return seen_.contains(name); }

  private:
    bool remember(const ast::Setting& setting, const SettingRow& row) {
        auto value = reader_.value(setting, row);
        if (value) token_.settings.emplace(row.name, std::move(*value));
        return value.has_value();
    }
    int64_t number(const ast::Setting& setting, const SettingRow& row) {
        return remember(setting, row) ? std::get<int64_t>(token_.settings.find(row.name)->second.held) : 0;
    }
    void check(const ast::Setting& setting) {
        const SettingRow& row = *setting_row(Place::token, "check");
        if (!remember(setting, row)) return;
        const auto& call = std::get<ast::BackendCall>(setting.value);
        token_.check = backend_path(context_, call.backend, call.path);
    }
    void keys(const ast::Setting& setting) {
        if (const auto* call = std::get_if<ast::BackendCall>(&setting.value)) return keys_url(*call);
        const auto* file = std::get_if<ast::FileValue>(&setting.value);
        if (!file) {
            context_.diagnostics.error("E003", span_of(setting.value), "`keys` is a file", {},
                                       "write `keys = file \"keys/app.jwks\"`");
            return;
        }
        token_.settings.emplace("keys", written_file(*file));
        token_.keys_path = resolve_file(context_.sources, *file);
        token_.keys_span = file->span;
    }

    void keys_url(const ast::BackendCall& call) {
        if (call.backend.text != "url" || !is_key_url(call.path.text)) {
            context_.diagnostics.error(
                "E003", call.span, "`keys` is a file, or a URL that begins with https://", {},
                "write `keys = file \"keys/app.jwks\"` or `keys = url \"https://…\"`; http:// is only for "
                "this machine, 127.0.0.1");
            return;
        }
        token_.settings.emplace("keys", "url " + call.path.text);
        token_.keys_url = call.path.text;
        token_.keys_span = call.span;
    }

    CompileContext& context_;
    TokenDecl& token_;
    ValueReader reader_;
    std::map<std::string_view, Span> seen_;
};

// OAuth's `scope` is one text with blanks in it (RFC 6749, section 3.3).
bool splits_well(const ast::Claim& claim, Diagnostics& diagnostics) {
    if (!claim.split) return true;
    const Type type = claim.type.type;
    if (type.kind != Kind::string || type.shape == Shape::one) {
        diagnostics.error("E003", claim.split->span, "`split` makes a set or list of string", {},
                          "write `claim " + std::string(claim.name.text) + " : set of string split \" \" …`");
        return false;
    }
    if (!claim.split->text.empty()) return true;
    diagnostics.error("E003", claim.split->span, "the separator is empty");
    return false;
}

void compile_claims(CompileContext& context, const ast::Token& token, TokenDecl& out) {
    for (const ast::Claim& claim : token.claims) {
        const bool twice = std::any_of(out.claims.begin(), out.claims.end(),
                                       [&](const ClaimDecl& known) { return known.name == claim.name.text; });
        if (twice) {
            context.diagnostics.error("E005", claim.name.span,
                                      "the claim " + quoted(claim.name.text) + " is declared twice");
            continue;
        }
        if (!readable_type(claim.type, "a claim", false, context.diagnostics)) continue;
        if (!splits_well(claim, context.diagnostics)) continue;
        const auto fallback = compile_absent(context, context.lets, claim.absent, claim.type.type);
        if (!fallback) continue;
        out.claims.push_back({std::string(claim.name.text), member_path(claim.name, claim.as),
                              claim.type.type, fallback->required, fallback->otherwise, claim.secret,
                              claim.split ? claim.split->text : std::string()});
    }
}

void find_user(const ast::Token& token, bool named, TokenDecl& out, Diagnostics& diagnostics) {
    const std::string wanted = named ? out.user : "sub";
    const auto it = std::find_if(out.claims.begin(), out.claims.end(),
                                 [&](const ClaimDecl& claim) { return claim.name == wanted; });
    const bool text = it != out.claims.end() && it->type == Type{Kind::string, Shape::one};
    out.user = text ? wanted : "";
    if (named && !text) {
        diagnostics.error("E002", token.name.span,
                          "`user` names " + quoted(wanted) + ", which is no claim of type string");
    }
}

// What only a signed token has, and what only a backend can be shown.
void check_opaque(const ast::Token& token, Diagnostics& diagnostics) {
    for (const ast::Setting& setting : token.settings) {
        if (!has_word("exp single_use max_age algorithms issuer audience", setting.name.text)) continue;
        diagnostics.error("E022", setting.name.span,
                          quoted(setting.name.text) + " is for signed tokens; `check` asks a backend", {},
                          "let the backend refuse what it does not want");
    }
    for (const ast::Source& source : token.from) {
        using From = SourceKind;
        if (source.kind == From::cookie || source.kind == From::header || source.kind == From::certificate)
            continue;
        diagnostics.error("E022", source.span, "`check` hands on a cookie or a header, and nothing else", {},
                          "write `from cookie \"…\"` or `from header \"…\"`");
    }
}

void check_partners(const ast::Token& token, const TokenDecl& out, bool pinned, Diagnostics& diagnostics) {
    if (out.check) check_opaque(token, diagnostics);
    if (out.keys_url.empty()) return;
    if (!pinned) {
        diagnostics.error("E022", out.keys_span, "keys from a URL need `algorithms` beside them",
                          "whoever writes there would choose them otherwise",
                          "write `algorithms = { \"ES256\" }`, or those that your issuer uses");
    }
    if (std::find(out.algorithms.begin(), out.algorithms.end(), "HS256") != out.algorithms.end()) {
        diagnostics.error("E016", out.algorithms_span, "HS256 needs a secret, and a URL has none", {},
                          "RS256, ES256 and EdDSA have public keys");
    }
}

}  // namespace

std::optional<TokenSource> compile_source(CompileContext& context, const ast::Source& source) {
    using From = SourceKind;
    if (source.kind == From::certificate) {
        return TokenSource{source.kind, ""};
    }
    if (source.name.text.empty()) {
        context.diagnostics.error("E003", source.name.span, "the name is empty");
        return std::nullopt;
    }
    std::string name = source.name.text;
    if (source.kind == From::header) {
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    }
    return TokenSource{source.kind, std::move(name)};
}

// Blocks that trust the same, however many they are, speak of the same people.
void name_realms(std::vector<TokenDecl>& tokens) {
    std::map<std::string, std::string> first;  // of what is trusted: the block
    for (TokenDecl& token : tokens) {
        if (token.realm.empty()) token.realm = token.issuer;
        if (!token.realm.empty()) continue;
        std::string trusted = "certificate";
        if (!token.keys_path.empty()) trusted = "file " + token.keys_path;
        if (!token.keys_url.empty()) trusted = "url " + token.keys_url;
        if (token.check) trusted = "check " + std::to_string(token.check->backend) + " " + token.check->path;
        token.realm = first.try_emplace(trusted, token.name).first->second;
    }
}

TokenDecl compile_token(CompileContext& context, const ast::Token& token) {
    TokenDecl out;
    out.name = std::string(token.name.text);
    out.span = token.name.span;
    TokenSettings settings(context, out);
    for (const ast::Setting& setting : token.settings) settings.read(setting);
    for (const ast::Source& source : token.from) {
        if (auto made = compile_source(context, source)) out.from.push_back(std::move(*made));
        if (source.kind == SourceKind::query) {
            context.diagnostics.warning("W304", source.span, "a token in a URL ends in logs and histories",
                                        {}, "prefer a header, a cookie or a subprotocol");
        }
    }
    compile_claims(context, token, out);
    find_user(token, settings.has("user"), out, context.diagnostics);
    if (settings.has("keys") && settings.has("check")) {
        context.diagnostics.error("E022", token.name.span,
                                  "the token " + quoted(out.name) + " has `keys` and `check`", {},
                                  "a token is either signed, or a backend is asked about it");
    }
    // Without either every token would be refused, or worse.
    const bool signed_by_listener =
        !out.from.empty() && std::all_of(out.from.begin(), out.from.end(), [](const TokenSource& source) {
            return source.kind == SourceKind::certificate;
        });
    if (signed_by_listener && (settings.has("keys") || settings.has("check"))) {
        context.diagnostics.error("E022", token.name.span, "a certificate needs no `keys` and no `check`", {},
                                  "the listener's client_ca says whose certificates are good: take them out");
    }
    if (!signed_by_listener && !settings.has("keys") && !settings.has("check")) {
        context.diagnostics.error("E022", token.name.span, "the token " + quoted(out.name) + " has no `keys`",
                                  {}, "write `keys = file \"keys/app.jwks\"`");
    }
    if (settings.has("cache") && !settings.has("check")) {
        context.diagnostics.error("E022", token.name.span, "`cache` needs `check` beside it");
    }
    if (settings.has("recheck") && !settings.has("check")) {
        context.diagnostics.error("E022", token.name.span, "`recheck` needs `check` beside it",
                                  "keys are not asked again; a signed token ends at its exp");
    }
    check_partners(token, out, settings.has("algorithms"), context.diagnostics);
    if (out.single_use && !out.needs_exp) {
        context.diagnostics.error("E022", token.name.span, "`single_use` needs an end: `exp = required`",
                                  "nobody remembers for ever which tokens were used",
                                  "take `exp = optional` out");
    }
    if (signed_by_listener && settings.has("exp")) {
        context.diagnostics.error("E022", token.name.span, "a certificate always says when it ends", {},
                                  "take `exp` out");
    }
    if (out.check || signed_by_listener) out.needs_exp = false;
    return out;
}

}  // namespace wayleave::dsl
