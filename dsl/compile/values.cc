#include <algorithm>

#include "dsl/compile/parts.h"
#include "dsl/text/near_name.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> out;
    for (;;) {
        const size_t at = text.find(separator);
        out.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        text.remove_prefix(at + 1);
    }
}

std::string bound(int64_t value, SettingForm form) {
    if (form == SettingForm::size) {
        if (value % (1 << 20) == 0 && value > 0) return std::to_string(value >> 20) + "mb";
        if (value % 1024 == 0 && value > 0) return std::to_string(value >> 10) + "kb";
        return std::to_string(value) + "b";
    }
    if (form == SettingForm::time)
        return value % 1000 == 0 ? std::to_string(value / 1000) + "s" : std::to_string(value) + "ms";
    return std::to_string(value);
}

}  // namespace

ValueReader::ValueReader(CompileContext& context, const Lets& lets) : context_(context) {
    names_.lets = &lets;
}

std::optional<Typed> ValueReader::constant(const ast::Expr& expr) {
    ExprChecker checker(context_.sources, context_.files, names_, builder_, context_.diagnostics);
    return checker.constant(expr);
}

const ast::Expr* ValueReader::expression(const ast::Setting& setting) {
    return std::get_if<ast::Expr>(&setting.value);
}

void ValueReader::wrong(const ast::Setting& setting, std::string_view wanted) {
    context_.diagnostics.error("E003", span_of(setting.value),
                               quoted(setting.name.text) + " is " + std::string(wanted));
}

std::optional<int64_t> ValueReader::number(const ast::Setting& setting, const SettingRow& row) {
    const bool size = row.form == SettingForm::size;
    const Kind kind = size ? Kind::size : row.form == SettingForm::time ? Kind::time : Kind::integer;
    const std::string_view wanted = size                 ? "a size, such as 64kb"
                                    : kind == Kind::time ? "a time, such as 30s"
                                                         : "a number";
    const ast::Expr* expr = expression(setting);
    if (!expr) return wrong(setting, wanted), std::nullopt;
    const auto typed = constant(*expr);
    if (!typed) return std::nullopt;
    if (typed->type != Type{kind, Shape::one}) return wrong(setting, wanted), std::nullopt;
    const int64_t value = std::get<int64_t>(typed->value->held);
    if (value < row.min || value > row.max) {
        context_.diagnostics.error(
            "E003", expr->span,
            quoted(row.name) + " is from " + bound(row.min, row.form) + " to " + bound(row.max, row.form));
        return std::nullopt;
    }
    return value;
}

std::optional<bool> ValueReader::boolean(const ast::Setting& setting) {
    const ast::Expr* expr = expression(setting);
    if (!expr) return wrong(setting, "true or false"), std::nullopt;
    const auto typed = constant(*expr);
    if (!typed) return std::nullopt;
    if (typed->type != Type{Kind::boolean, Shape::one}) return wrong(setting, "true or false"), std::nullopt;
    return std::get<bool>(typed->value->held);
}

std::optional<std::string> ValueReader::text(const ast::Setting& setting) {
    const ast::Expr* expr = expression(setting);
    if (!expr) return wrong(setting, "a text in quotes"), std::nullopt;
    const auto typed = constant(*expr);
    if (!typed) return std::nullopt;
    if (typed->type != Type{Kind::string, Shape::one})
        return wrong(setting, "a text in quotes"), std::nullopt;
    return std::get<std::string>(typed->value->held);
}

std::optional<std::vector<std::string>> ValueReader::texts(const ast::Setting& setting) {
    const ast::Expr* expr = expression(setting);
    if (!expr) return wrong(setting, "a set of texts"), std::nullopt;
    const auto typed = constant(*expr);
    if (!typed) return std::nullopt;
    if (typed->type == Type{Kind::string, Shape::one}) return {{std::get<std::string>(typed->value->held)}};
    if (typed->type != Type{Kind::string, Shape::set}) return wrong(setting, "a set of texts"), std::nullopt;
    std::vector<std::string> out;
    for (const Scalar& scalar : std::get<std::vector<Scalar>>(typed->value->held))
        out.push_back(std::get<std::string>(scalar));
    return out;
}

std::optional<std::string> ValueReader::word(const ast::Setting& setting, const SettingRow& row) {
    // `drop` reads as an outcome, but is a word where the setting has it.
    if (const auto* outcome = std::get_if<ast::Outcome>(&setting.value);
        outcome && outcome->kind == OutcomeKind::drop && has_word(row.words, "drop"))
        return "drop";
    const ast::Expr* expr = expression(setting);
    std::optional<std::string> found;
    if (expr && expr->kind == ast::Expr::Kind::path && expr->path.parts.size() == 1 &&
        has_word(row.words, expr->path.parts.front().text)) {
        found = expr->path.parts.front().text;  // a word needs no quotes, whatever `let` says
    } else if (expr && expr->kind == ast::Expr::Kind::path && expr->path.parts.size() == 1 &&
               !names_.lets->find(expr->path.parts.front().text)) {
        // not a word of this setting: told below
    } else if (const auto given = text(setting)) {
        if (has_word(row.words, *given)) found = *given;
    } else {
        return std::nullopt;
    }
    if (found) return found;
    std::string help;
    for (std::string_view rest = row.words; !rest.empty();) {
        const size_t end = rest.find(' ');
        const bool last = end == std::string_view::npos;
        help += (help.empty() ? "write " : last ? " or " : ", ") + std::string(rest.substr(0, end));
        rest = last ? std::string_view() : rest.substr(end + 1);
    }
    context_.diagnostics.error(
        "E003", span_of(setting.value),
        quoted(row.name) + " cannot be " + quoted(context_.sources.text(span_of(setting.value))), {}, help);
    return std::nullopt;
}

std::optional<std::string> ValueReader::file(const ast::Setting& setting) {
    const auto* file = std::get_if<ast::FileValue>(&setting.value);
    if (file && !file->of) return written_file(*file);
    return wrong(setting, "a file: file \"keys/name\""), std::nullopt;
}

std::optional<Value> ValueReader::value(const ast::Setting& setting, const SettingRow& row) {
    const auto held = [](auto&& found) {
        return found ? std::optional<Value>(*std::move(found)) : std::nullopt;
    };
    switch (row.form) {
        case SettingForm::text: return held(text(setting));
        case SettingForm::word: return held(word(setting, row));
        case SettingForm::size:
        case SettingForm::integer:
        case SettingForm::time: return held(number(setting, row));
        case SettingForm::boolean: return held(boolean(setting));
        case SettingForm::file: return held(file(setting));
        case SettingForm::texts: {
            const auto list = texts(setting);
            return list ? std::optional<Value>(std::vector<Scalar>(list->begin(), list->end()))
                        : std::nullopt;
        }
        case SettingForm::backend: {
            const auto* call = std::get_if<ast::BackendCall>(&setting.value);
            if (!call) return wrong(setting, "a backend and a path: app \"/path\""), std::nullopt;
            if (!backend_path(context_, call->backend, call->path)) return std::nullopt;
            return Value(std::string(call->backend.text) + " " + call->path.text);
        }
        case SettingForm::names:
        case SettingForm::origins:
        case SettingForm::keys: break;
    }
    return std::nullopt;
}

void unknown_setting(Diagnostics& diagnostics, const ast::Name& name, Place place) {
    std::vector<std::string_view> names;
    for (const SettingRow& row : setting_rows()) {
        if (row.place == place) names.push_back(row.name);
    }
    const std::string_view near = near_name(name.text, names);
    diagnostics.misspelt("E008", name.span, "there is no setting " + quoted(name.text) + " here", near);
}

SettingValues compile_settings(CompileContext& context, const std::vector<ast::Setting>& settings,
                               Place place) {
    SettingValues out;
    std::map<std::string_view, Span> seen;
    ValueReader reader(context, context.lets);
    for (const ast::Setting& setting : settings) {
        const SettingRow* row = setting_row(place, setting.name.text);
        if (!row) {
            unknown_setting(context.diagnostics, setting.name, place);
            continue;
        }
        const auto [it, fresh] = seen.emplace(row->name, setting.name.span);
        if (!fresh) {
            auto& diagnostic =
                context.diagnostics.error("E020", setting.name.span, quoted(row->name) + " is set twice");
            diagnostic.secondary.push_back({it->second, "first here"});
            continue;
        }
        if (auto value = reader.value(setting, *row)) out.emplace(row->name, std::move(*value));
    }
    return out;
}

std::optional<Outcome> compile_outcome(const ast::Outcome& outcome, Diagnostics& diagnostics) {
    const auto code = outcome.code;
    if (outcome.kind == OutcomeKind::status && (code < 400 || code > 599)) {
        diagnostics.error("E014", outcome.span, "a refusal's status is from 400 to 599");
        return std::nullopt;
    }
    const bool registered = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
    if (outcome.kind == OutcomeKind::close && !registered && (code < 3000 || code > 4999)) {
        diagnostics.error("E014", outcome.span, "a close code is 1000-1003, 1007-1014 or 3000-4999",
                          "RFC 6455 7.4 reserves the others", "an application's own codes are 4000-4999");
        return std::nullopt;
    }
    if (outcome.kind == OutcomeKind::error && (outcome.name.text.empty() || outcome.name.text.size() > 64)) {
        diagnostics.error("E014", outcome.span, "an error's name has 1 to 64 bytes");
        return std::nullopt;
    }
    return Outcome{outcome.kind, static_cast<uint16_t>(code), outcome.name.text};
}

bool possible(const Outcome& outcome, Phase phase) {
    if (outcome.kind == OutcomeKind::status) return phase == Phase::handshake;
    if (outcome.kind == OutcomeKind::close) return phase == Phase::session;
    return true;
}

std::optional<Fallback> compile_absent(CompileContext& context, const Lets& lets, const ast::Absent& absent,
                                       Type type) {
    if (absent.required || !absent.otherwise) return Fallback{};
    ValueReader reader(context, lets);
    const auto typed = reader.constant(*absent.otherwise);
    if (!typed) return std::nullopt;
    Type given = typed->type;
    if (given.shape == Shape::set && type.shape == Shape::list) given.shape = Shape::list;
    const bool empty = typed->type.shape == Shape::set && type.shape != Shape::one &&
                       std::get<std::vector<Scalar>>(typed->value->held).empty();
    if (given != type && !empty) {
        context.diagnostics.error(
            "E003", absent.otherwise->span,
            "the value after `else` is " + a_type(typed->type) + ", not " + a_type(type));
        return std::nullopt;
    }
    return Fallback{false, *typed->value};
}

bool readable_type(const ast::TypeName& type, std::string_view what, bool from_text,
                   Diagnostics& diagnostics) {
    const Kind kind = type.type.kind;
    const bool many = type.type.shape != Shape::one;
    const bool one = kind == Kind::boolean || kind == Kind::integer || kind == Kind::string ||
                     kind == Kind::ip || kind == Kind::date || (kind == Kind::floating && !from_text);
    if (many ? !from_text && (kind == Kind::string || kind == Kind::integer) : one) return true;
    diagnostics.error(
        "E003", type.span, std::string(what) + " cannot be " + a_type(type.type), {},
        from_text ? "bool, int, string, ip and date can be read from there"
                  : "bool, int, float, string, ip, date, and sets and lists of string or int, can be");
    return false;
}

std::vector<std::string> member_path(const ast::Name& name, const std::optional<ast::Text>& as) {
    if (!as) return {std::string(name.text)};
    // "https://example.com/role" is one name: dots lead into members only where no slash shows a URL.
    if (as->text.find('/') != std::string::npos) return {as->text};
    return split(as->text, '.');
}

}  // namespace wayleave::dsl
