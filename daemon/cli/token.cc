#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/json_writer.h"
#include "daemon/cli/commands.h"
#include "daemon/cli/key_output.h"
#include "daemon/cli/terminal.h"
#include "daemon/edge/socket.h"
#include "daemon/identity/algorithm.h"
#include "daemon/identity/sign.h"
#include "daemon/ops/settings/value.h"

namespace wayleave {

namespace {

struct TokenOptions {
    std::string key;
    std::string kid;
    std::string issuer;
    std::string audience;
    std::string subject;
    std::string expires = "1h";
    std::vector<std::string> claims;       // NAME=TEXT
    std::vector<std::string> json_claims;  // NAME=JSON
    std::string new_key;                   // an algorithm
    std::string out;
};

// "1h", and "-1h" for one that has expired.
std::optional<int64_t> seconds_of(std::string_view text) {
    const bool past = text.starts_with('-');
    if (past) text.remove_prefix(1);
    const auto time = parse_time(text);
    if (!time) return std::nullopt;
    const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(*time).count();
    return past ? -seconds : seconds;
}

// The claims as one JSON object.
class Claims {
  public:
    Status add(const std::string& name, const std::string& json) {
        if (!names_.insert(name).second) return failure("the claim " + name + " is given twice");
        object_.raw(name, json);
        return success();
    }
    Status add_pair(const std::string& pair, bool is_json) {
        const size_t equals = pair.find('=');
        if (equals == std::string::npos || equals == 0) return failure("`" + pair + "` is not NAME=VALUE");
        const std::string name = pair.substr(0, equals);
        const std::string value = pair.substr(equals + 1);
        if (!is_json) return add(name, json_string(value));
        simdjson::dom::parser parser;
        simdjson::dom::element parsed;
        if (parser.parse(value).get(parsed) != simdjson::SUCCESS) {
            return failure("the value of `" + pair +
                           "` is not JSON; write a string with --claim, or with quotes");
        }
        return add(name, simdjson::minify(parsed));
    }
    [[nodiscard]] std::string text() const { return object_.text(); }

  private:
    std::set<std::string> names_;
    JsonObject object_;
};

Result<std::string> claims_of(const TokenOptions& options) {
    const auto lifetime = seconds_of(options.expires);
    if (!lifetime) return failure("--expires is no time; write it like 1h, 30s or -1h");
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    Claims claims;
    Status good = success();
    const auto put = [&](const char* name, const std::string& json, bool wanted) {
        if (good && wanted) good = claims.add(name, json);
    };
    put("iss", json_string(options.issuer), !options.issuer.empty());
    put("aud", json_string(options.audience), !options.audience.empty());
    put("sub", json_string(options.subject), !options.subject.empty());
    put("iat", std::to_string(now + std::min<int64_t>(*lifetime, 0)), true);
    put("exp", std::to_string(now + *lifetime), true);
    for (const std::string& pair : options.claims) {
        if (good) good = claims.add_pair(pair, false);
    }
    for (const std::string& pair : options.json_claims) {
        if (good) good = claims.add_pair(pair, true);
    }
    if (!good) return failure(good.error());
    return claims.text();
}

int sign(const TokenOptions& options) {
    const auto claims = claims_of(options);
    if (!claims) {
        complain(claims.error());
        return EX_USAGE;
    }
    const auto token = sign_token(options.key, *claims, options.kid);
    if (!token) {
        complain(token.error());
        return access(options.key.c_str(), R_OK) == 0 ? EX_DATAERR : EX_NOINPUT;
    }
    write_text(stdout, *token + "\n");
    return EX_OK;
}

int make_key(const TokenOptions& options) {
    const auto key = generate_key(algorithm_from(options.new_key).value(), options.kid);
    if (!key) {
        complain(key.error());
        return options.kid.empty() ? EX_SOFTWARE : EX_USAGE;
    }
    return write_key(options.out, *key);
}

}  // namespace

void add_token(CLI::App& app, int& exit_code) {
    auto* command =
        app.add_subcommand("token", "Make a signed token to try a policy with, or a key to sign with.");
    auto options = std::make_shared<TokenOptions>();
    auto* sign_with = command->add_option_group("Token");
    sign_with
        ->add_option("--key", options->key,
                     "Private JWK, JWKS or PEM, or an HMAC secret; it says the algorithm")
        ->type_name("FILE");
    command->add_option("--kid", options->kid,
                        "Which key of a JWKS (the first that can sign), or the name of the new one (its "
                        "thumbprint)");
    sign_with->add_option("--issuer", options->issuer, "Claim iss");
    sign_with->add_option("--audience", options->audience, "Claim aud");
    sign_with->add_option("--subject", options->subject, "Claim sub");
    sign_with->add_option("--expires", options->expires, "Time until exp; -1h makes a token that has expired")
        ->type_name("TIME")
        ->capture_default_str();
    sign_with->add_option("--claim", options->claims, "A claim that is a string; may be repeated")
        ->type_name("NAME=TEXT")
        ->allow_extra_args(false);
    sign_with->add_option("--claim-json", options->json_claims, "A claim of any type; may be repeated")
        ->type_name("NAME=JSON")
        ->allow_extra_args(false);
    auto* create = command->add_option_group("New key");
    create->add_option("--new-key", options->new_key, "Algorithm of the key to make")
        ->type_name("ALG")
        ->check(CLI::IsMember({"HS256", "RS256", "ES256", "EdDSA"}));
    create->add_option("--out", options->out, "File to write it to, with mode 0600; it must not exist")
        ->type_name("FILE");
    command->callback([options, &exit_code] {
        const bool signs = !options->key.empty() && options->new_key.empty() && options->out.empty();
        const bool makes = options->key.empty() && !options->new_key.empty() && !options->out.empty();
        if (!signs && !makes) throw CLI::RequiredError("Either --key, or --new-key and --out,");
        exit_code = options->new_key.empty() ? sign(*options) : make_key(*options);
    });
}

}  // namespace wayleave
