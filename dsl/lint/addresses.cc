// Addresses that overlap, and old ones that nobody took away.
#include <algorithm>
#include <map>

#include "dsl/compile/parts.h"
#include "dsl/lint/parts.h"
#include "dsl/policy/router.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

struct Place {
    Span span;
    std::string_view route;
};

void check_overlaps(LintContext& context) {
    Router router;
    std::vector<Place> places;
    Diagnostics ignored;  // the compiler has told its errors
    for (const LintRoute& route : context.routes) {
        std::vector<CaptureName> captures;
        for (const ast::Url& url : route.ast->urls) {
            (void)router.add(compile_address(url, captures, ignored), 0);
            places.push_back({url.span, route.ast->name.text});
        }
    }
    for (const Router::Overlap& overlap : router.overlaps()) {
        const Place& wide = places[overlap.wide];
        const Place& narrow = places[overlap.narrow];
        if (wide.route == narrow.route) continue;
        const std::string more =
            overlap.count > 1 ? ", and " + std::to_string(overlap.count - 1) + " more are narrower" : "";
        context.diagnostics
            .note(
                "N502", wide.span,
                quoted(overlap.example) + " goes to the route " + quoted(narrow.route) + ", not to this one",
                "the narrower address wins" + more)
            .secondary.push_back({narrow.span, "narrower"});
    }
}

void check_alias(LintContext& context, const ast::Alias& alias) {
    if (!alias.until) {
        context.diagnostics.warning("W311", alias.span, "this alias has no end", {},
                                    "write `until` and a date, so that somebody takes it away");
        return;
    }
    const auto* day = std::get_if<int64_t>(&alias.until->value.held);
    if (!day || context.surroundings.today == 0 || *day >= context.surroundings.today) return;
    context.diagnostics.warning("W311", alias.until->span, "this day is past, and the alias still works", {},
                                "take it away, or give it a new date");
}

// --- aliases that nobody reaches ---

using Path = std::vector<AddressSegment>;
using SegmentKind = AddressSegment::Kind;

bool covers(const AddressSegment& wide, const AddressSegment& narrow) {
    if (narrow.kind == SegmentKind::text)
        return wide.kind == SegmentKind::text ? wide.text == narrow.text : accepts(wide.type, narrow.text);
    return wide.kind != SegmentKind::text && within(narrow.type, wide.type);
}

// Whether every path of `b` is one of `a`. `**` takes a slash at the end, too.
bool holds_all(const AddressPattern& a, const AddressPattern& b) {
    for (size_t i = 0; i < b.path.size(); ++i) {
        if (i >= a.path.size()) return false;
        if (a.path[i].kind == SegmentKind::rest) return true;
        if (b.path[i].kind == SegmentKind::rest || !covers(a.path[i], b.path[i])) return false;
    }
    return a.path.size() == b.path.size() && a.trailing_slash == b.trailing_slash;
}

// All that `**` stands for: one segment, with a slash and without, or one and more.
bool taken(const AddressPattern& piece, const std::vector<AddressPattern>& narrower) {
    const bool one = std::any_of(narrower.begin(), narrower.end(),
                                 [&](const AddressPattern& pattern) { return holds_all(pattern, piece); });
    const bool splits = !piece.path.empty() && piece.path.back().kind == SegmentKind::rest &&
                        piece.path.size() <= max_path_segments;
    if (one || !splits) return one;
    AddressPattern end = piece;
    end.path.back() = AddressSegment{SegmentKind::capture, {}};
    AddressPattern more = end;
    more.path.push_back(piece.path.back());
    AddressPattern slash = end;
    slash.trailing_slash = true;
    return taken(end, narrower) && taken(slash, narrower) && taken(more, narrower);
}

struct Known {
    AddressPattern pattern;
    Span span;
    bool alias = false;
};

// One text for hosts that are the same, and no other.
std::string host_key(const AddressPattern& pattern) {
    std::string out;
    for (const AddressSegment& label : pattern.host) {
        const bool text = label.kind == SegmentKind::text;
        out += text ? label.text : "*" + std::to_string(static_cast<int>(label.type));
        out += '.';
    }
    return out;
}

std::string first_text(const AddressPattern& pattern) {
    const bool text = !pattern.path.empty() && pattern.path.front().kind == SegmentKind::text;
    return text ? pattern.path.front().text : std::string();
}

// Without a place for anything in its path: what takes all of it has the same address, which is an error.
bool is_plain(const AddressPattern& pattern) {
    return std::all_of(pattern.path.begin(), pattern.path.end(),
                       [](const AddressSegment& segment) { return segment.kind == SegmentKind::text; });
}

// By host, then by the first segment where that is a text: an alias that begins with one is compared with
// those that do so, too, and not with all.
using KnownByStart = std::map<std::string, std::map<std::string, std::vector<const Known*>>>;

std::vector<const Known*> narrower_of(const Known& alias, const KnownByStart& index) {
    std::vector<const Known*> out;
    const std::string first = first_text(alias.pattern);
    const auto& starts = index.at(host_key(alias.pattern));
    const auto begin = first.empty() ? starts.begin() : starts.find(first);
    const auto end = first.empty() ? starts.end() : std::next(begin);
    for (auto start = begin; start != end; ++start) {
        for (const Known* other : start->second) {
            if (other != &alias && holds_all(alias.pattern, other->pattern)) out.push_back(other);
        }
    }
    return out;
}

void check_dead_aliases(LintContext& context) {
    std::vector<Known> all;
    Diagnostics ignored;
    for (const LintRoute& route : context.routes) {
        const auto add = [&](const ast::Url& url, bool alias) {
            std::vector<CaptureName> captures;
            all.push_back({compile_address(url, captures, ignored), url.span, alias});
        };
        for (const ast::Url& url : route.ast->urls) add(url, false);
        route.each<ast::Alias>([&](const ast::Alias& alias) { add(alias.url, true); });
    }
    KnownByStart index;
    for (const Known& one : all) index[host_key(one.pattern)][first_text(one.pattern)].push_back(&one);
    for (const Known& alias : all) {
        if (!alias.alias || is_plain(alias.pattern)) continue;
        std::vector<AddressPattern> narrower;
        std::vector<Label> labels;
        for (const Known* other : narrower_of(alias, index)) {
            narrower.push_back(other->pattern);
            if (labels.size() < 3) labels.push_back({other->span, "narrower"});
        }
        if (!taken(alias.pattern, narrower)) continue;
        context.diagnostics
            .warning("W106", alias.span, "nobody reaches this alias",
                     "narrower addresses match all that it matches",
                     "take the alias away, or the addresses that are before it")
            .secondary = std::move(labels);
    }
}

}  // namespace

void lint_addresses(LintContext& context) {
    check_overlaps(context);
    for (const LintRoute& route : context.routes) {
        route.each<ast::Alias>([&](const ast::Alias& alias) { check_alias(context, alias); });
    }
    check_dead_aliases(context);
}

}  // namespace wayleave::dsl
