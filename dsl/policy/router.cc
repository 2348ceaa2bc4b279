#include "dsl/policy/router.h"

#include <algorithm>

#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Segments = std::vector<AddressSegment>;
using enum AddressSegment::Kind;

bool same_text(const AddressSegment& a, const AddressSegment& b) {
    return a.kind == b.kind && a.text == b.text && a.type == b.type;  // whatever it is called
}

bool same(const Segments& a, const Segments& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_text);
}

// For two that are no `**`.
bool overlap(const AddressSegment& a, const AddressSegment& b) {
    if (a.kind == text && b.kind == text) return a.text == b.text;
    if (a.kind == text) return accepts(b.type, a.text);
    if (b.kind == text) return accepts(a.type, b.text);
    return overlap(a.type, b.type);
}

// Every text of `a` is one of `b`.
bool within(const AddressSegment& a, const AddressSegment& b) {
    if (b.kind == text) return a.kind == text && a.text == b.text;
    if (a.kind == text) return accepts(b.type, a.text);
    return within(a.type, b.type);
}

bool within(const Segments& a, bool slash_a, const Segments& b, bool slash_b) {
    for (size_t i = 0; i < b.size(); ++i) {
        if (b[i].kind == rest) return a.size() > i;
        if (i >= a.size() || a[i].kind == rest || !within(a[i], b[i])) return false;
    }
    return a.size() == b.size() && slash_a == slash_b;
}

bool overlap(const Segments& a, const Segments& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const AddressSegment& x, const AddressSegment& y) { return overlap(x, y); });
}

// A text that both accept, given that they overlap.
std::string example(const AddressSegment& a, const AddressSegment& b) {
    if (a.kind == text) return a.text;
    if (b.kind == text) return b.text;
    for (const CaptureType type : {a.type, b.type}) {
        const std::string_view candidate = example_of(type);
        if (accepts(a.type, candidate) && accepts(b.type, candidate)) return std::string(candidate);
    }
    return "abc";  // slug and hex, slug and uuid: the examples above are of both
}

std::string example(const Segments& a, const Segments& b, char separator) {
    std::string out;
    const AddressSegment anything{capture, "", CaptureType::any, -1};
    const auto at = [&](const Segments& list, size_t i) -> const AddressSegment& {
        return i < list.size() && list[i].kind != rest ? list[i] : anything;
    };
    for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
        if (separator == '/' || i > 0) out += separator;
        out += example(at(a, i), at(b, i));
    }
    return out;
}

struct Split {
    std::array<std::string_view, max_path_segments> part{};
    size_t count = 0;
    bool trailing_slash = false;
};

bool split_path(std::string_view path, Split& out) {
    if (path.empty() || path.front() != '/') return false;
    path.remove_prefix(1);
    while (!path.empty()) {
        const size_t slash = path.find('/');
        if (slash == 0 || out.count == max_path_segments) return false;
        out.part[out.count++] = path.substr(0, slash);
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
    out.trailing_slash = true;
    return true;
}

bool matches_host(const Segments& labels, std::string_view host, std::array<std::string_view, 32>& parts) {
    if (host.empty()) return false;  // HTTP/1.0 may name none
    size_t i = 0;
    for (; i < labels.size() && i < parts.size(); ++i) {
        const size_t dot = host.find('.');
        const std::string_view label = host.substr(0, dot);
        if (labels[i].kind == text ? label != labels[i].text : !accepts(labels[i].type, label)) return false;
        parts[i] = label;
        if (dot == std::string_view::npos) return i + 1 == labels.size();
        host.remove_prefix(dot + 1);
    }
    return false;
}

int width(const Segments& host) {
    int sum = 0;
    for (const AddressSegment& label : host) sum += label.kind == text ? 0 : 1 + static_cast<int>(label.type);
    return sum;
}

constexpr int32_t nobody = -1;

}  // namespace

// One position in the paths of a host.
struct Router::Tree {
    std::unordered_map<std::string, std::unique_ptr<Tree>, TextHash, std::equal_to<>> texts;
    std::array<std::unique_ptr<Tree>, 6> captures;  // by CaptureType: the narrowest first
    int32_t end[2] = {nobody, nobody};              // the address that ends here, without and with a slash
    int32_t rest_end = nobody;                      // the address that has `**` here

    Tree& child(const AddressSegment& segment) {
        auto& place =
            segment.kind == text ? texts[segment.text] : captures[static_cast<size_t>(segment.type)];
        if (!place) place = std::make_unique<Tree>();
        return *place;
    }

    [[nodiscard]] int32_t find(const Split& path, size_t at) const {
        if (at == path.count) return end[path.trailing_slash ? 1 : 0];
        if (const auto it = texts.find(path.part[at]); it != texts.end()) {
            if (const int32_t found = it->second->find(path, at + 1); found != nobody) return found;
        }
        for (size_t type = 0; type < captures.size(); ++type) {
            if (!captures[type] || !accepts(static_cast<CaptureType>(type), path.part[at])) continue;
            if (const int32_t found = captures[type]->find(path, at + 1); found != nobody) return found;
        }
        return rest_end;
    }

    template <class Visit>
    void everything(const Visit& visit) const {
        for (const int32_t address : {end[0], end[1], rest_end}) {
            if (address != nobody) visit(address);
        }
        for (const auto& [name, tree] : texts) tree->everything(visit);
        for (const auto& tree : captures) {
            if (tree) tree->everything(visit);
        }
    }

    // Every address that some path has in common with the pattern.
    template <class Visit>
    void overlapping(const AddressPattern& pattern, size_t at, const Visit& visit) const {
        if (at == pattern.path.size()) {
            if (end[pattern.trailing_slash] != nobody) visit(end[pattern.trailing_slash]);
            return;
        }
        if (rest_end != nobody) visit(rest_end);
        const AddressSegment& segment = pattern.path[at];
        if (segment.kind == rest) {
            for (const auto& [name, tree] : texts) tree->everything(visit);
            for (const auto& tree : captures) {
                if (tree) tree->everything(visit);
            }
            return;
        }
        if (segment.kind == text) {
            if (const auto it = texts.find(segment.text); it != texts.end())
                it->second->overlapping(pattern, at + 1, visit);
        } else {
            for (const auto& [name, tree] : texts) {
                if (accepts(segment.type, name)) tree->overlapping(pattern, at + 1, visit);
            }
        }
        for (size_t type = 0; type < captures.size(); ++type) {
            const AddressSegment other{capture, "", static_cast<CaptureType>(type), -1};
            if (captures[type] && overlap(segment, other))
                captures[type]->overlapping(pattern, at + 1, visit);
        }
    }
};

struct Router::HostEntry {
    Segments labels;
    std::string name;  // if all labels are text
    Tree tree;
};

Router::Router() = default;
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

Router::HostEntry& Router::entry(const Segments& host) {
    if (host.empty()) {
        if (!any_host_) any_host_ = std::make_unique<HostEntry>();
        return *any_host_;
    }
    const bool exact =
        std::all_of(host.begin(), host.end(), [](const AddressSegment& s) { return s.kind == text; });
    if (!exact) {
        for (const auto& known : wild_hosts_) {
            if (same(known->labels, host)) return *known;
        }
        auto fresh = std::make_unique<HostEntry>();
        fresh->labels = host;
        const auto at = std::upper_bound(
            wild_hosts_.begin(), wild_hosts_.end(), fresh,
            [](const auto& a, const auto& b) { return width(a->labels) < width(b->labels); });
        return **wild_hosts_.insert(at, std::move(fresh));
    }
    std::string name;
    for (const AddressSegment& label : host) name += (name.empty() ? "" : ".") + label.text;
    if (const auto it = exact_hosts_.find(name); it != exact_hosts_.end()) return *it->second;
    auto& fresh = owned_.emplace_back(std::make_unique<HostEntry>());
    fresh->labels = host;
    fresh->name = std::move(name);
    exact_hosts_.emplace(fresh->name, fresh.get());
    return *fresh;
}

void Router::note_overlap(uint32_t wide, uint32_t narrow) {
    Overlap& overlap = overlaps_[wide];
    if (++overlap.count > 1) return;
    const AddressPattern& a = addresses_[wide].pattern;
    const AddressPattern& b = addresses_[narrow].pattern;
    overlap.wide = wide;
    overlap.narrow = narrow;
    overlap.example = example(a.host, b.host, '.') + example(b.path, a.path, '/');
    if (b.trailing_slash) overlap.example += '/';
}

std::vector<Router::Overlap> Router::overlaps() const {
    std::vector<Overlap> out;
    for (const auto& [wide, overlap] : overlaps_) out.push_back(overlap);
    return out;
}

std::optional<Router::Conflict> Router::add(const AddressPattern& pattern, uint32_t route) {
    HostEntry& home = entry(pattern.host);
    const auto mine = static_cast<uint32_t>(addresses_.size());
    addresses_.push_back({pattern, route});
    std::optional<Conflict> conflict;
    const auto check = [&](int32_t found) {
        const auto number = static_cast<uint32_t>(found);
        const AddressPattern& other = addresses_[number].pattern;
        const bool inside = within(pattern.path, pattern.trailing_slash, other.path, other.trailing_slash);
        const bool outside = within(other.path, other.trailing_slash, pattern.path, pattern.trailing_slash);
        if (same(pattern.host, other.host) && inside != outside) {
            return note_overlap(inside ? number : mine, inside ? mine : number);
        }
        if (conflict) return;
        std::string text = example(pattern.host, other.host, '.') + example(pattern.path, other.path, '/');
        if (pattern.trailing_slash) text += '/';
        const bool taken = inside && outside && same(pattern.host, other.host);
        conflict = Conflict{number, taken, std::move(text)};
    };
    home.tree.overlapping(pattern, 0, check);
    for (const auto& other : wild_hosts_) {
        const bool ties = other.get() != &home && overlap(other->labels, pattern.host) &&
                          !within(other->labels, false, pattern.host, false) &&
                          !within(pattern.host, false, other->labels, false);
        if (ties) other->tree.overlapping(pattern, 0, check);
    }

    const auto number = static_cast<int32_t>(mine);
    Tree* tree = &home.tree;
    for (const AddressSegment& segment : pattern.path) {
        if (segment.kind == rest) {
            if (tree->rest_end == nobody) tree->rest_end = number;
            return conflict;
        }
        tree = &tree->child(segment);
    }
    if (tree->end[pattern.trailing_slash] == nobody) tree->end[pattern.trailing_slash] = number;
    return conflict;
}

bool Router::find(std::string_view host, std::string_view path, RouteMatch& match) const {
    Split split;
    if (!split_path(path, split)) return false;
    std::array<std::string_view, 32> labels{};
    const auto take = [&](int32_t found) {
        const auto& [pattern, route] = addresses_[static_cast<size_t>(found)];
        match.route = route;
        match.address = static_cast<uint32_t>(found);
        const auto note = [&](const Segments& segments, const auto& parts) {
            for (size_t i = 0; i < segments.size(); ++i) {
                if (segments[i].slot < 0) continue;
                match.captures[static_cast<size_t>(segments[i].slot)] = parts[i];
                match.types[static_cast<size_t>(segments[i].slot)] = segments[i].type;
            }
        };
        note(pattern.host, labels);
        note(pattern.path, split.part);
        return true;
    };
    if (const auto it = exact_hosts_.find(host); it != exact_hosts_.end()) {
        if (const int32_t found = it->second->tree.find(split, 0); found != nobody) return take(found);
    }
    for (const auto& wild : wild_hosts_) {
        if (!matches_host(wild->labels, host, labels)) continue;
        if (const int32_t found = wild->tree.find(split, 0); found != nobody) return take(found);
    }
    if (any_host_) {
        if (const int32_t found = any_host_->tree.find(split, 0); found != nobody) return take(found);
    }
    return false;
}

}  // namespace wayleave::dsl
