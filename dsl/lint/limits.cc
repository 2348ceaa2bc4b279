// Rates, sizes and times: what is not limited, and limits that limit nothing.
#include <algorithm>

#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

constexpr size_t large_message = 1U << 20U;
constexpr size_t most_compared = 100;  // limits

// Whether a client makes the value of a key up, so that each new one starts a new count.
class Keys {
  public:
    explicit Keys(const LintRoute& route) {
        route.each<ast::Input>([&](const ast::Input& input) { chosen_.insert(input.name.text); });
        bool open_host = false;
        bool open_path = false;
        for (const ast::Url& url : route.ast->urls) {
            open_host |= url.host.empty();
            for (const ast::Segment& label : url.host) open_host |= take(label);
            for (const ast::Segment& segment : url.path) open_path |= take(segment);
        }
        if (open_host) chosen_.insert("host");
        if (open_path) chosen_.insert("path");
        if (route.compiled->origins.any) chosen_.insert("origin");
    }
    void add_fields(const ast::Message& message) {
        each_in<ast::Field>(message.members,
                            [&](const ast::Field& field) { chosen_.insert(field.name.text); });
    }
    [[nodiscard]] bool chosen(const ast::Path& key) const { return chosen_.contains(key.text()); }
    [[nodiscard]] const ast::Path* first_chosen(const ast::Limit& limit) const {
        for (const ast::Path& key : limit.per) {
            if (chosen(key)) return &key;
        }
        return nullptr;
    }

  private:
    bool take(const ast::Segment& segment) {
        if (segment.kind == ast::Segment::Kind::text) return false;
        if (segment.kind == ast::Segment::Kind::capture) chosen_.insert(segment.capture.text);
        return true;
    }

    std::set<std::string_view> chosen_;
};

// The rates or numbers that a limit may have.
std::vector<Value> amounts_of(const ast::Expr& to, const LintContext& context) {
    if (to.kind == ast::Expr::Kind::literal) return {to.literal.value};
    if (to.kind != ast::Expr::Kind::path && to.kind != ast::Expr::Kind::lookup) return {};
    const auto it = context.lets.find(to.path.text());
    const auto* value = it != context.lets.end() ? std::get_if<ast::Expr>(&it->second->value) : nullptr;
    if (!value) return {};
    if (value->kind == ast::Expr::Kind::literal) return {value->literal.value};
    std::vector<Value> out;
    if (to.kind == ast::Expr::Kind::lookup) out.push_back(to.literal.value);
    for (const ast::Expr& arg : value->args) {
        if (arg.kind == ast::Expr::Kind::literal) out.push_back(arg.literal.value);
    }
    return out;
}

struct Pace {
    Rate rate;
    int64_t burst = 0;
};

// Of a limit with one literal rate and no condition: others cannot be compared.
std::optional<Pace> pace_of(const ast::Limit& limit, const LintContext& context) {
    if (limit.tail.condition || limit.meter == Meter::connections) return std::nullopt;
    const auto amounts = amounts_of(limit.to, context);
    if (amounts.size() != 1) return std::nullopt;
    const auto* rate = std::get_if<Rate>(&amounts.front().held);
    if (!rate) return std::nullopt;
    const auto* burst = limit.burst ? std::get_if<int64_t>(&limit.burst->value.held) : nullptr;
    return Pace{*rate, burst ? *burst : rate->count};
}

bool at_most(const Pace& a, const Pace& b) {  // products of two int64 do not fit into one
    const auto per_ms = [](const Rate& rate) {
        return static_cast<double>(rate.count) / static_cast<double>(rate.period_ms);
    };
    return a.rate.bytes == b.rate.bytes && per_ms(a.rate) <= per_ms(b.rate) && a.burst <= b.burst;
}

// Whether the values of `fine` settle the value of `key`: a connection has one ip and one user.
bool settles(const ast::Limit& fine, const ast::Path& key) {
    const std::string wanted = key.text();
    return std::any_of(fine.per.begin(), fine.per.end(), [&](const ast::Path& path) {
        const std::string name = path.text();
        return name == wanted || (name == "ip" && wanted == "subnet");
    });
}

bool counts_inside(const ast::Limit& fine, const ast::Limit& coarse, const Keys& fields) {
    const bool by_connection = std::any_of(fine.per.begin(), fine.per.end(),
                                           [](const ast::Path& path) { return path.text() == "connection"; });
    return std::all_of(coarse.per.begin(), coarse.per.end(), [&](const ast::Path& key) {
        return settles(fine, key) || (by_connection && !fields.chosen(key));
    });
}

using Limits = std::vector<const ast::Limit*>;

class RouteLimits {
  public:
    RouteLimits(LintContext& context, const LintRoute& route)
        : context_(context), route_(route), keys_(route) {
        route.each<ast::Limit>([&](const ast::Limit& limit) { own_.push_back(&limit); });
    }

    void check() {
        for (const ast::Limit* limit : own_) check_limit(*limit, own_, keys_);
        route_.each<ast::Message>([&](const ast::Message& message) {
            Keys fields = keys_;
            fields.add_fields(message);
            Limits around = own_;
            Limits inner;
            each_in<ast::Limit>(message.members, [&](const ast::Limit& limit) { inner.push_back(&limit); });
            around.insert(around.end(), inner.begin(), inner.end());
            for (const ast::Limit* limit : inner) check_limit(*limit, around, fields);
        });
        check_missing();
    }

  private:
    void check_limit(const ast::Limit& limit, const Limits& beside, const Keys& keys) {
        check_burst(limit);
        // Each is compared with each: nobody writes that many, and lint answers soon whatever it reads.
        if (beside.size() <= most_compared) check_never_binds(limit, beside, keys);
        if (beside.size() <= most_compared) check_chosen_key(limit, beside, keys);
        check_proxy(limit);
    }

    void check_burst(const ast::Limit& limit) {
        const auto* burst = limit.burst ? std::get_if<int64_t>(&limit.burst->value.held) : nullptr;
        if (!burst) return;
        for (const Value& amount : amounts_of(limit.to, context_)) {
            const auto* rate = std::get_if<Rate>(&amount.held);
            if (!rate || rate->bytes || rate->period_ms > 1000 || *burst >= rate->count) continue;
            context_.diagnostics.warning(
                "W203", limit.burst->span,
                "a burst of " + std::to_string(*burst) + " is less than one second of " + print(amount),
                "messages that come together are refused though there are few of them",
                "leave `burst` out: then it is " + std::to_string(rate->count));
            return;
        }
    }

    void check_never_binds(const ast::Limit& limit, const Limits& beside, const Keys& keys) {
        const auto pace = pace_of(limit, context_);
        if (!pace) return;
        for (const ast::Limit* other : beside) {
            if (other == &limit || other->meter != limit.meter || !counts_inside(limit, *other, keys))
                continue;
            const auto tighter = pace_of(*other, context_);
            if (!tighter || !at_most(*tighter, *pace)) continue;
            // Two that are alike: the later is told.
            const bool alike = at_most(*pace, *tighter) && counts_inside(*other, limit, keys);
            if (alike &&
                std::pair(other->span.file, other->span.begin) > std::pair(limit.span.file, limit.span.begin))
                continue;
            context_.diagnostics
                .warning("W203", limit.span, "another limit is always reached before this one", {},
                         "take this one away, or make it tighter")
                .secondary.push_back({other->span, "this one"});
            return;
        }
    }

    void check_chosen_key(const ast::Limit& limit, const Limits& beside, const Keys& keys) {
        const ast::Path* key = keys.first_chosen(limit);
        if (!key) return;
        const bool backed = std::any_of(beside.begin(), beside.end(), [&](const ast::Limit* other) {
            return other->meter == limit.meter && !keys.first_chosen(*other);
        });
        if (backed) return;
        context_.diagnostics.warning("W204", key->span, "the client chooses " + quoted(key->text()),
                                     "each new value starts a new count",
                                     "add a limit per user, ip or subnet, or count by one of these");
    }

    void check_proxy(const ast::Limit& limit) {
        const auto& listeners = context_.surroundings.listeners;
        if (!listeners || !listeners->all_loopback || listeners->trusted_proxies) return;
        for (const ast::Path& key : limit.per) {
            if (key.text() != "ip" && key.text() != "subnet") continue;
            context_.diagnostics.warning("W207", key.span,
                                         "behind a proxy all clients have the proxy's " + quoted(key.text()),
                                         "every listener is on loopback, and no proxy is trusted",
                                         "count per user, or per connection");
        }
    }

    [[nodiscard]] bool limits(const ast::Message& message) const {
        bool found = false;
        each_in<ast::Limit>(message.members, [&](const ast::Limit&) { found = true; });
        return found;
    }

    void check_missing() {
        const auto has = [&](Meter meter) {
            return std::any_of(own_.begin(), own_.end(),
                               [&](const ast::Limit* limit) { return limit->meter == meter; });
        };
        const Span name = route_.ast->name.span;
        const bool publishes = route_.any<ast::Rule>(
            [](const ast::Rule& rule) { return rule.allow && concerns(rule, Action::publish); });
        const bool unlimited_block =
            route_.any<ast::Message>([&](const ast::Message& message) { return !limits(message); });
        if (!has(Meter::messages) && (publishes || unlimited_block)) {
            context_.diagnostics.warning(
                "W201", name, "clients of " + quoted(route_.ast->name.text) + " may send as fast as they can",
                "the route has no `limit messages`", "write `limit messages to 10/s per connection`");
        }
        const bool connects = route_.any<ast::Rule>(
            [](const ast::Rule& rule) { return rule.allow && concerns(rule, Action::connect); });
        if (connects && !has(Meter::connections)) {
            context_.diagnostics.warning(
                "W202", name, "one client of " + quoted(route_.ast->name.text) + " may take all connections",
                "the route has no `limit connections`",
                route_.compiled->auth.empty() ? "write `limit connections to 20 per ip`"
                                              : "write `limit connections to 5 per user.sub`");
        }
    }

    LintContext& context_;
    const LintRoute& route_;
    Keys keys_;
    Limits own_;
};

void check_sizes(LintContext& context, const LintRoute& route) {
    const auto span = [&](const ast::Setting* setting) {
        return setting ? setting->span : route.ast->name.span;
    };
    const Route& compiled = *route.compiled;
    if (compiled.max_message > large_message) {
        context.diagnostics.warning(
            "W205", span(route.setting("max_message")), "messages of this size are kept whole in memory", {},
            "64kb are the default; send large things by HTTP and a link to them here");
    }
    if (compiled.idle_timeout_ms == 0) {
        context.diagnostics.warning("W206", span(route.setting("idle_timeout")),
                                    "clients that vanished without a word stay for ever", {},
                                    "60s are the default, and `ping_every` keeps quiet clients alive");
    } else if (compiled.ping_every_ms >= compiled.idle_timeout_ms) {
        const ast::Setting* ping = route.setting("ping_every");
        const ast::Setting* idle = route.setting("idle_timeout");
        auto& diagnostic = context.diagnostics.warning(
            "W208", span(ping ? ping : idle), "quiet clients are closed before they are asked for a pong", {},
            "`ping_every` is less than half of `idle_timeout`");
        if (ping && idle) diagnostic.secondary.push_back({idle->span, "closed after this time"});
    }
    const ast::Setting* compression = route.setting("compression");
    if (compression && word_of(compression->value) != "false" && !route.setting("max_message")) {
        const auto* expr = std::get_if<ast::Expr>(&compression->value);
        const bool* on = expr ? std::get_if<bool>(&expr->literal.value.held) : nullptr;
        if (on && *on) {
            context.diagnostics.warning("W310", compression->span,
                                        "a small compressed message may become a large one", {},
                                        "set `max_message` to what your messages need");
        }
    }
}

}  // namespace

void lint_limits(LintContext& context) {
    for (const LintRoute& route : context.routes) {
        RouteLimits(context, route).check();
        check_sizes(context, route);
    }
}

}  // namespace wayleave::dsl
