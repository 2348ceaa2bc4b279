// The tree of a policy as one line of text, for tables of expectations.
#pragma once

#include <string>

#include "dsl/syntax/ast.h"

namespace wayleave::dsl::ast {

inline std::string show(const Literal& literal) {
    return to_string(literal.type) + ":" + print(literal.value);
}

// (and a (not b) (== c int:1)), {a b}, {a: b}, m[a]|int:1
inline std::string show(const Expr& expr) {
    constexpr const char* operators[] = {"==", "!=", "<", "<=", ">", ">=", "in", "like", "overlaps"};
    std::string args;
    for (size_t i = 0; i < expr.args.size(); ++i) {
        if (i > 0) args += ' ';
        if (expr.kind == Expr::Kind::map) args += show(expr.keys[i]) + ": ";
        args += show(expr.args[i]);
    }
    switch (expr.kind) {
        case Expr::Kind::literal: return show(expr.literal);
        case Expr::Kind::path: return expr.path.text();
        case Expr::Kind::lookup: return expr.path.text() + "[" + args + "]|" + show(expr.literal);
        case Expr::Kind::set:
        case Expr::Kind::map: return "{" + args + "}";
        case Expr::Kind::negation: return "(not " + args + ")";
        case Expr::Kind::all_of: return "(and " + args + ")";
        case Expr::Kind::any_of: return "(or " + args + ")";
        case Expr::Kind::comparison:
            return "(" + std::string(operators[static_cast<size_t>(expr.op)]) + " " + args + ")";
    }
    return "?";
}

inline std::string show(const Segment& segment) {
    switch (segment.kind) {
        case Segment::Kind::text: return std::string(segment.text);
        case Segment::Kind::capture:
            return ":" + std::string(segment.capture.text) +
                   (segment.narrow ? "(" + std::string(segment.narrow->text) + ")" : "");
        case Segment::Kind::insert: return "{" + segment.insert.text() + "}";
        case Segment::Kind::any: return "*";
        case Segment::Kind::rest: return "**";
    }
    return "?";
}

inline std::string show(const std::vector<Segment>& segments, const char* between) {
    std::string out;
    for (const Segment& segment : segments) out += (out.empty() ? "" : between) + show(segment);
    return out;
}

inline std::string show(const Url& url) {
    return show(url.host, " . ") + " / " + show(url.path, " / ") + (url.trailing_slash ? " /" : "");
}

inline std::string show(const ChannelPattern& channel) {
    return show(channel.segments, " / ");
}

inline std::string show(const std::vector<ChannelPattern>& channels) {
    std::string out;
    for (const auto& channel : channels) out += (out.empty() ? "" : ", ") + show(channel);
    return out;
}

inline std::string show(const Outcome& outcome) {
    switch (outcome.kind) {
        case Outcome::Kind::status: return "status " + std::to_string(outcome.code);
        case Outcome::Kind::close: return "close " + std::to_string(outcome.code);
        case Outcome::Kind::error: return "error " + outcome.name.text;
        case Outcome::Kind::drop: return "drop";
    }
    return "?";
}

inline std::string show(const SettingValue& value) {
    if (const auto* expr = std::get_if<Expr>(&value)) return show(*expr);
    if (const auto* outcome = std::get_if<Outcome>(&value)) return show(*outcome);
    if (const auto* file = std::get_if<FileValue>(&value)) {
        return "file " + file->path.text + (file->of ? " of " + to_string(file->of->type) : "");
    }
    const auto& call = std::get<BackendCall>(value);
    return "call " + std::string(call.backend.text) + " " + call.path.text;
}

inline std::string show(const Absent& absent) {
    return absent.required ? "required" : absent.otherwise ? "else " + show(*absent.otherwise) : "?";
}

inline std::string show(const Source& source) {
    constexpr const char* kinds[] = {"query", "header", "cookie", "subprotocol", "certificate"};
    return kinds[static_cast<size_t>(source.kind)] + std::string(source.name.text.empty() ? "" : " ") +
           source.name.text;
}

inline std::string show(const std::optional<Text>& text, const char* before) {
    return text ? std::string(before) + text->text : std::string();
}

inline std::string show(const std::optional<Expr>& condition) {
    return condition ? " if " + show(*condition) : std::string();
}

inline std::string show(const Tail& tail) {
    return (tail.on.empty() ? "" : " on " + show(tail.on)) +
           (tail.with ? " with " + std::string(tail.with->text) : "") +
           (tail.by ? " by " + std::string(tail.by->backend.text) + " \"" + tail.by->path.text + "\"" : "") +
           show(tail.condition) + (tail.then ? " then " + show(*tail.then) : "") +
           show(tail.because, " because ");
}

inline std::string show(const std::vector<Path>& paths) {
    std::string out;
    for (const Path& path : paths) out += (out.empty() ? "" : ", ") + path.text();
    return out;
}

inline std::string show(const std::vector<Name>& names) {
    std::string out;
    for (const Name& name : names) out += (out.empty() ? "" : ", ") + std::string(name.text);
    return out;
}

}  // namespace wayleave::dsl::ast
