// Backends, channels' behaviour, and what names them.
#include <algorithm>
#include <charconv>

#include "dsl/compile/parts.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

// Behind the host; empty: none is given.
bool is_port(std::string_view text) {
    if (text.empty()) return true;
    uint32_t port = 0;
    const auto [end, failed] = std::from_chars(text.data() + 1, text.data() + text.size(), port);
    return text.front() == ':' && failed == std::errc() && end == text.data() + text.size() && port > 0 &&
           port <= 65535;
}

}  // namespace

bool is_server(std::string_view text) {
    // [::1]:80 has its colons in brackets.
    const size_t bracket = text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0;
    const std::string_view host = text.substr(0, text.find(':', bracket));
    return !host.empty() && host.find('@') == std::string_view::npos && is_port(text.substr(host.size()));
}

namespace {

constexpr size_t longest_path = 2048;
constexpr size_t longest_socket_path = 107;  // of sockaddr_un, without its NUL

// Some backends resolve `..`, others do not: so a path means one thing to us and another to them.
bool has_dot_segment(std::string_view path) {
    path = path.substr(0, path.find('?'));
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        if (segment == "." || segment == "..") return true;
        path.remove_prefix(segment.size());
    }
    return false;
}

// unix:/path of a socket, or scheme://host[:port][/path], without user, query and fragment. Whether the host
// exists is not ours to ask.
bool is_server_url(std::string_view url) {
    if (url.starts_with("unix:")) {
        return url.size() > 6 && url[5] == '/' && url.size() - 5 <= longest_socket_path &&
               std::none_of(url.begin(), url.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
    }
    const size_t scheme = url.find("://");
    if (scheme == std::string_view::npos || !has_word("http https ws wss", url.substr(0, scheme)))
        return false;
    const std::string_view rest = url.substr(scheme + 3);
    const std::string_view server = rest.substr(0, rest.find('/'));
    return is_server(server) && !has_dot_segment(rest.substr(server.size())) &&
           std::none_of(rest.begin(), rest.end(), [](unsigned char c) {
               return c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '\\' || c == '"';
           });
}

bool is_path(std::string_view path) {
    return path.starts_with('/') && !path.starts_with("//") && path.size() <= longest_path &&
           !has_dot_segment(path) && std::none_of(path.begin(), path.end(), [](unsigned char c) {
               return c <= ' ' || c >= 0x7f || c == '#' || c == '\\' || c == '"';
           });
}

const Span* setting_span(const std::vector<ast::Setting>& settings, std::string_view name) {
    const auto it = std::find_if(settings.begin(), settings.end(),
                                 [&](const ast::Setting& setting) { return setting.name.text == name; });
    return it == settings.end() ? nullptr : &it->span;
}

template <class T>
T value_of(const SettingValues& settings, std::string_view name, T otherwise) {
    const auto it = settings.find(name);
    return it == settings.end() ? otherwise : std::get<T>(it->second.held);
}

}  // namespace

namespace {

// What a backend may order. It speaks for itself and not for a connection, so there is nothing to ask about
// one.
BackendRule compile_order(CompileContext& context, const ast::Rule& rule) {
    const auto error = [&](Span span, std::string_view what, std::string_view note) {
        context.diagnostics.error("E001", span, std::string(what), std::string(note));
    };
    BackendRule out;
    out.allow = rule.allow;
    out.place = context.sources.place(rule.span);
    if (rule.tail.because) out.because = rule.tail.because->text;
    for (const ast::ActionName& name : rule.actions) {
        out.actions.push_back(name.action);
        const bool channel = name.action == Action::publish || name.action == Action::subscribe;
        if (!channel && name.action != Action::disconnect)
            error(name.span, "a backend cannot be allowed this",
                  "it orders publish, subscribe and disconnect");
        if (!channel && !rule.tail.on.empty())
            error(rule.tail.on.front().span, "`on` has no meaning here", "no channel is disconnected");
    }
    if (rule.tail.with)
        error(rule.tail.with->span, "a rule of a backend has no `with`", "no client brings a token for it");
    if (rule.tail.by)
        error(rule.tail.by->span, "a rule of a backend has no `by`", "the backend orders, and is not asked");
    if (rule.tail.condition)
        error(rule.tail.condition->span, "a rule of a backend has no condition",
              "the backend orders, and no client does");
    if (rule.tail.then)
        error(rule.tail.then->span, "a rule of a backend has no `then`",
              "an order that is refused is not done");
    for (const ast::ChannelPattern& channel : rule.tail.on) {
        Pattern pattern;
        for (AddressSegment& segment :
             channel_address(channel, "a `backend` block", context.diagnostics).path) {
            const bool text = segment.kind == AddressSegment::Kind::text;
            const bool rest = segment.kind == AddressSegment::Kind::rest;
            pattern.push_back({text   ? PatternSegment::Kind::text
                               : rest ? PatternSegment::Kind::rest
                                      : PatternSegment::Kind::capture,
                               segment.type,
                               std::move(segment.text),
                               {}});
        }
        out.on.emplace_back(context.sources.text(channel.span), std::move(pattern));
    }
    return out;
}

}  // namespace

BackendDecl compile_backend(CompileContext& context, const ast::Backend& backend) {
    BackendDecl out{std::string(backend.name.text),
                    compile_settings(context, backend.settings, Place::backend),
                    context.sources.place(backend.name.span),
                    {},
                    {},
                    {}};
    for (const ast::Rule& rule : backend.rules) out.rules.push_back(compile_order(context, rule));
    const auto sign = std::find_if(backend.settings.begin(), backend.settings.end(),
                                   [](const ast::Setting& setting) { return setting.name.text == "sign"; });
    const auto* file = sign == backend.settings.end() ? nullptr : std::get_if<ast::FileValue>(&sign->value);
    if (file) {
        out.sign_path = resolve_file(context.sources, *file);
        out.sign_span = file->span;
    }
    const Span* url = setting_span(backend.settings, "url");
    if (!url) {
        context.diagnostics.error("E022", backend.name.span,
                                  "the backend " + quoted(backend.name.text) + " has no `url`", {},
                                  "write `url = \"http://127.0.0.1:8000\"`");
    } else if (const auto text = value_of<std::string>(out.settings, "url", ""); !text.empty()) {
        if (text.find("${") != std::string::npos) {
            context.diagnostics.error("E003", *url, "environment variables are not read", {},
                                      "write the value, or make the file with a program such as envsubst");
        } else if (!is_server_url(text)) {
            context.diagnostics.error(
                "E003", *url, quoted(text) + " is not the address of a server", {},
                "write http://, https://, ws:// or wss://, a host and perhaps a port from 1 to "
                "65535 and a path; no user, no `?`, no `#`, no `..`; or unix: and the path of a socket");
        }
    }
    return out;
}

namespace {

ChannelRules channel_rules(const SettingValues& settings) {
    ChannelRules out;
    out.history = static_cast<uint32_t>(value_of<int64_t>(settings, "history", 0));
    out.keep_ms = value_of<int64_t>(settings, "keep", 0);
    out.dedup_ms = value_of<int64_t>(settings, "dedup", 0);
    out.conflate_ms = value_of<int64_t>(settings, "conflate", 0);
    out.batch_ms = value_of<int64_t>(settings, "batch", 0);
    out.presence_grace_ms = value_of<int64_t>(settings, "presence_grace", out.presence_grace_ms);
    out.max_subscribers = value_of<int64_t>(settings, "max_subscribers", 0);
    out.max_message = static_cast<size_t>(value_of<int64_t>(settings, "max_message", 0));
    out.needs_key = out.conflate_ms > 0 && value_of<std::string>(settings, "key", "none") == "required";
    out.acks = value_of<std::string>(settings, "acks", "none") == "user";
    out.presence = value_of(settings, "presence", false);
    out.join_leave = value_of(settings, "join_leave", false);
    const auto priority = value_of<std::string>(settings, "priority", "normal");
    out.lane = priority == "urgent" ? Lane::urgent : priority == "low" ? Lane::low : Lane::normal;
    const auto slow = value_of<std::string>(settings, "slow", "");
    if (slow == "close") out.slow = SlowConsumer::close;
    if (slow == "drop") out.slow = SlowConsumer::drop;
    if (slow == "newest") out.slow = SlowConsumer::newest;
    return out;
}

}  // namespace

ChannelDecl compile_channel(CompileContext& context, const ast::Channel& channel) {
    ChannelDecl out{std::string(context.sources.text(channel.pattern.span)),
                    compile_settings(context, channel.settings, Place::channel),
                    context.sources.place(channel.span),
                    {}};
    const auto needs = [&](std::string_view name, std::string_view other, bool there) {
        const Span* span = setting_span(channel.settings, name);
        const std::string_view word = other.substr(0, other.find(' '));
        // What is there and cannot be read has been complained about.
        const bool misread = setting_span(channel.settings, word) && !out.settings.contains(word);
        if (!span || there || misread) return;
        context.diagnostics.error("E027", *span, quoted(name) + " needs " + quoted(other) + " beside it");
    };
    const bool history = value_of<int64_t>(out.settings, "history", 0) > 0;
    const bool keep = value_of<int64_t>(out.settings, "keep", 0) > 0;
    if (history) needs("history", "keep", keep);
    if (keep) needs("keep", "history", history);
    if (value_of<std::string>(out.settings, "acks", "none") == "user") needs("acks", "history", history);
    const bool presence = value_of(out.settings, "presence", false);
    if (value_of(out.settings, "join_leave", false)) needs("join_leave", "presence = true", presence);
    needs("presence_grace", "presence = true", presence);
    if (value_of<int64_t>(out.settings, "conflate", 0) > 0)
        needs("conflate", "key = required` or `key = none", out.settings.contains("key"));
    needs("key", "conflate", value_of<int64_t>(out.settings, "conflate", 0) > 0);
    const auto excludes = [&](std::string_view name, std::string_view other, std::string_view because) {
        const Span* span = setting_span(channel.settings, name);
        if (!span || value_of<int64_t>(out.settings, name, 0) == 0 ||
            value_of<int64_t>(out.settings, other, 0) == 0)
            return;
        context.diagnostics.error("E027", *span,
                                  quoted(name) + " and " + quoted(other) + " exclude each other", {},
                                  std::string(because));
    };
    excludes("conflate", "history", "what is kept is delivered, and conflation leaves messages out");
    excludes("batch", "conflate", "conflation sends once in its time already");
    out.rules = channel_rules(out.settings);
    return out;
}

AddressPattern channel_address(const ast::ChannelPattern& pattern, std::string_view where,
                               Diagnostics& diagnostics) {
    AddressPattern out;
    std::vector<std::string_view> names;
    if (pattern.segments.size() > max_channel_segments) {
        diagnostics.error("E001", pattern.span, "a channel has at most 16 segments");
    }
    for (const ast::Segment& segment : pattern.segments) {
        AddressSegment made;
        switch (segment.kind) {
            case ast::Segment::Kind::text:
                made.text = std::string(segment.text);
                if (!is_channel_segment(segment.text)) {
                    diagnostics.error("E001", segment.span,
                                      quoted(segment.text) + " cannot be a segment of a channel");
                }
                break;
            case ast::Segment::Kind::any: made.kind = AddressSegment::Kind::capture; break;
            case ast::Segment::Kind::rest:
                made.kind = AddressSegment::Kind::rest;
                if (&segment != &pattern.segments.back())
                    diagnostics.error("E001", segment.span, "`**` stands at the end only");
                break;
            case ast::Segment::Kind::insert:
                diagnostics.error("E001", segment.span, std::string(where) + " has no `{…}`",
                                  "it is about channels, not about one connection", "`:name` is any segment");
                break;
            case ast::Segment::Kind::capture:
                made.kind = AddressSegment::Kind::capture;
                if (!segment.narrow) break;
                if (const auto type = capture_type(segment.narrow->text)) {
                    made.type = *type;
                } else {
                    diagnostics.error("E002", segment.narrow->span,
                                      "a capture cannot be " + quoted(segment.narrow->text), {},
                                      "int, slug, uuid, hex and date are the types of captures");
                }
                break;
        }
        out.path.push_back(std::move(made));
    }
    return out;
}

std::optional<BackendPath> backend_path(CompileContext& context, const ast::Name& backend,
                                        const ast::Text& path, bool may_insert) {
    const auto it = context.backend_numbers.find(backend.text);
    if (it == context.backend_numbers.end()) {
        std::vector<std::string_view> known;
        for (const auto& [name, number] : context.backend_numbers) known.push_back(name);
        const std::string_view near = near_name(backend.text, known);
        context.diagnostics.error("E012", backend.span, "there is no backend " + quoted(backend.text), {},
                                  near.empty() ? "declare it: backend " + std::string(backend.text) +
                                                     " { url = \"http://127.0.0.1:8000\" }"
                                               : "did you mean " + quoted(near) + "?");
        return std::nullopt;
    }
    context.used_backends.insert(it->first);
    if (!may_insert && path.text.find('{') != std::string::npos) {
        context.diagnostics.error("E003", path.span, "no value can be inserted into this path",
                                  "it is asked before there is a connection");
        return std::nullopt;
    }
    if (!is_path(path.text)) {
        context.diagnostics.error("E003", path.span, quoted(path.text) + " is not a path",
                                  "it begins with one slash and has no blank, `#`, backslash or `..`");
        return std::nullopt;
    }
    return BackendPath{it->second, path.text};
}

}  // namespace wayleave::dsl
