// W101: definitions that nobody reads.
#include "dsl/lint/parts.h"
#include "dsl/text/text.h"

namespace wayleave::dsl {
namespace {

using Members = std::vector<ast::Member>;

class NameUses : public Walker {
  public:
    [[nodiscard]] const std::vector<const ast::Let*>& lets() const { return lets_; }
    [[nodiscard]] bool reads(const ast::Let& let) const { return read_.contains(&let); }
    // Whether a body reads that name, or inserts it into a text such as a backend's path.
    [[nodiscard]] bool reads(const Members* part, std::string_view name) const {
        const auto it = names_.find(part);
        return it != names_.end() && it->second.contains(name);
    }

  private:
    void on_let(const ast::Let& let) override { lets_.push_back(&let); }
    void on_part(const Members* part) override { part_ = part; }
    void on_name(std::string_view name, Span span) override {
        names_[part_].insert(name);
        const ast::Let* let = find_let(name);
        const bool inside_itself =
            let && let->span.file == span.file && let->span.begin <= span.begin && span.end <= let->span.end;
        if (let && !inside_itself) read_.insert(let);
    }

    std::vector<const ast::Let*> lets_;
    std::set<const ast::Let*> read_;
    std::map<const Members*, std::set<std::string_view>> names_;
    const Members* part_ = nullptr;
};

class BackendUses {
  public:
    explicit BackendUses(const ast::File& file) {
        for (const ast::Item& item : file.items) {
            if (const auto* token = std::get_if<ast::Token>(&item)) settings(token->settings);
            if (const auto* route = std::get_if<ast::Route>(&item)) body(route->members);
            if (const auto* api = std::get_if<ast::Api>(&item)) body(api->members);
            if (const auto* policy = std::get_if<ast::Policy>(&item)) body(policy->members);
            if (const auto* defaults = std::get_if<ast::Defaults>(&item)) body(defaults->members);
        }
    }
    [[nodiscard]] bool contains(std::string_view name) const { return names_.contains(name); }

  private:
    void settings(const std::vector<ast::Setting>& settings) {
        for (const ast::Setting& setting : settings) value(setting);
    }
    void value(const ast::Setting& setting) {
        if (const auto* call = std::get_if<ast::BackendCall>(&setting.value))
            names_.insert(call->backend.text);
        if (setting.name.text == "backend") names_.insert(word_of(setting.value));
    }
    void body(const Members& members) {
        for (const ast::Member& member : members) {
            if (const auto* setting = std::get_if<ast::Setting>(&member)) value(*setting);
            if (const auto* rule = std::get_if<ast::Rule>(&member); rule && rule->tail.by)
                names_.insert(rule->tail.by->backend.text);
            if (const auto* stream = std::get_if<ast::Stream>(&member)) names_.insert(stream->backend.text);
            if (const auto* notify = std::get_if<ast::Notify>(&member)) names_.insert(notify->backend.text);
            if (const auto* proxy = std::get_if<ast::Proxy>(&member)) names_.insert(proxy->backend.text);
            const auto* message = std::get_if<ast::Message>(&member);
            if (!message) continue;
            each_in<ast::Forward>(message->members,
                                  [&](const ast::Forward& forward) { names_.insert(forward.backend.text); });
        }
    }

    std::set<std::string_view> names_;
};

// What a backend is told about a connection holds its captures and inputs, whoever reads them there.
bool talks_to_backend(const LintRoute& route) {
    const bool forwards = route.any<ast::Message>([](const ast::Message& message) {
        bool found = false;
        each_in<ast::Forward>(message.members, [&](const ast::Forward&) { found = true; });
        return found;
    });
    const bool asks = route.any<ast::Rule>([](const ast::Rule& rule) { return rule.tail.by.has_value(); });
    return asks || forwards || route.has<ast::Stream>() || route.has<ast::Notify>() ||
           route.has<ast::Proxy>();
}

bool read_in(const LintRoute& route, const NameUses& uses, std::string_view name) {
    for (const auto* part : route.parts) {
        if (uses.reads(part, name)) return true;
    }
    return false;
}

void check_captures(LintContext& context, const LintRoute& route, const NameUses& uses) {
    for (const ast::Url& url : route.ast->urls) {
        for (const auto* segments : {&url.host, &url.path}) {
            for (const ast::Segment& segment : *segments) {
                // A type is a condition of its own, so a capture with one is of use even if nobody reads it.
                if (segment.kind != ast::Segment::Kind::capture || segment.narrow) continue;
                if (read_in(route, uses, segment.capture.text)) continue;
                context.diagnostics.warning("W101", segment.span,
                                            "nobody reads the capture " + quoted(segment.capture.text), {},
                                            "`*` stands for a segment that does not matter");
            }
        }
    }
}

}  // namespace

void lint_names(LintContext& context) {
    NameUses uses;
    uses.walk(context.file);
    for (const ast::Let* let : uses.lets()) {
        if (uses.reads(*let)) continue;
        context.diagnostics.warning("W101", let->name.span, "nobody reads " + quoted(let->name.text), {},
                                    "take the definition away, or use it");
    }
    std::map<const ast::Input*, bool> inputs;  // one of `defaults` may be read in one route alone
    for (const LintRoute& route : context.routes) {
        const bool told = talks_to_backend(route);
        if (!told) check_captures(context, route, uses);
        route.each<ast::Input>([&](const ast::Input& input) {
            // One that is required has an effect: a client that does not send it is refused.
            inputs[&input] |= told || input.absent.required || read_in(route, uses, input.name.text);
        });
    }
    for (const auto& [input, read] : inputs) {
        if (read) continue;
        context.diagnostics.warning("W101", input->name.span,
                                    "nobody reads the input " + quoted(input->name.text));
    }
    const BackendUses backends(context.file);
    for (const ast::Item& item : context.file.items) {
        const auto* backend = std::get_if<ast::Backend>(&item);
        if (!backend || backends.contains(backend->name.text)) continue;
        context.diagnostics.warning("W101", backend->name.span,
                                    "nothing uses the backend " + quoted(backend->name.text));
    }
}

}  // namespace wayleave::dsl
