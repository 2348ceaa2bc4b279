#include <sysexits.h>

#include <memory>

#include "daemon/cli/policy_options.h"
#include "daemon/cli/terminal.h"
#include "dsl/policy/typescript.h"

namespace wayleave {

namespace {

struct TypesOptions {
    PolicyOptions policy;
    std::string route;
};

bool has_types(const dsl::Route& route) {
    return route.dialect == dsl::Dialect::native && route.proxies.empty();
}

// Or a complaint: a page has the types of one connection.
const dsl::Route* route_for_types(const dsl::Policy& policy, const std::string& name) {
    if (!name.empty()) {
        const dsl::Route* route = policy.route(name);
        if (!route) complain("there is no route `" + name + "` in this policy");
        if (route && !has_types(*route)) complain("the route `" + name + "` does not speak wayleave.v1");
        return route && has_types(*route) ? route : nullptr;
    }
    const dsl::Route* only = nullptr;
    std::string names;
    size_t count = 0;
    for (const auto& route : policy.routes) {
        if (!has_types(*route)) continue;
        only = route.get();
        names += (count++ > 0 ? ", " : "") + route->name;
    }
    if (count == 0) complain("no route of this policy speaks wayleave.v1");
    if (count > 1) complain("the policy has several routes; say which by --route: " + names);
    return count == 1 ? only : nullptr;
}

int types(const TypesOptions& options) {
    const auto loaded = policy_or_complain(options.policy, Purpose::ask);
    if (!loaded) return loaded.error();
    const dsl::Route* route = route_for_types(*loaded->runtime->policy, options.route);
    if (!route) return exit_broken;
    write_text(stdout, dsl::typescript(*route));
    return EX_OK;
}

}  // namespace

void add_types(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand(
        "types", "Print what clients of a route may say and hear, as types of TypeScript.");
    auto options = std::make_shared<TypesOptions>();
    command
        ->add_option("-c,--config", options->policy.config,
                     "Settings file; without PATH it says where the policy is")
        ->type_name("FILE");
    command->add_option("--route", options->route, "The route; the only one by default")->type_name("NAME");
    command->add_option("PATH", options->policy.paths, "Files, or directories of *.route files");
    command->footer(std::string("Without PATH and --config: ") + default_config +
                    "\nExit status: 0 printed, 2 the policy is broken or has no such route, 64 wrong usage.");
    command->callback([options, &exit_code] { exit_code = types(*options); });
}

}  // namespace wayleave
