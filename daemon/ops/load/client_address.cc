#include "daemon/ops/load/client_address.h"

#include <memory>
#include <utility>

#include "daemon/client/client_files.h"

namespace wayleave {
namespace {

// A public file, the same to everybody whoever asks, so that pages of every origin may import it. What is
// cached without compression must not be given to who asks for it with.
constexpr const char* headers = "Access-Control-Allow-Origin: *\r\nVary: Accept-Encoding\r\n";

StaticFile served(const ClientFile& file) {
    const std::string type =
        file.name.ends_with(".js") ? std::string(content_type_of(file.name)) : "text/plain; charset=utf-8";
    StaticFile gzipped;
    gzipped.content_type = type;
    gzipped.body = std::make_shared<const std::string>(file.gzipped);
    gzipped.etag = etag_of(file.gzipped);
    gzipped.headers.append(headers).append("Content-Encoding: gzip\r\n");
    StaticFile out;
    out.content_type = type;
    out.body = std::make_shared<const std::string>(file.bytes);
    out.etag = etag_of(file.bytes);
    out.headers = headers;
    out.gzipped = std::make_shared<const StaticFile>(std::move(gzipped));
    return out;
}

std::string_view path_of(std::string_view address) {
    return address.substr(std::min(address.find('/'), address.size()));
}

// A route whose address has captures is wider, and the file is taken out of it.
std::string why_taken(const std::string& path, const dsl::Policy& policy, const StaticFiles& files) {
    for (const auto& route : policy.routes) {
        for (const std::string& address : route->addresses) {
            if (path_of(address) == path) return "the route `" + route->name + "` (" + route->place + ")";
        }
    }
    for (const auto& [number, alias] : policy.aliases) {
        if (path_of(alias.address) == path) return "an alias (" + alias.place + ")";
    }
    // An api takes all that is below its address.
    for (const auto& api : policy.apis) {
        for (const std::string& address : api->addresses) {
            const std::string_view prefix = path_of(address);
            const bool below = path.starts_with(prefix) && path.substr(prefix.size()).starts_with('/');
            if (prefix == "/" || prefix == path || below)
                return "the api `" + api->name + "` (" + api->place + ")";
        }
    }
    if (files.contains(path)) return "a file of static.directory";
    return {};
}

}  // namespace

void serve_client(const std::string& path, const dsl::Policy& policy, StaticFiles& files,
                  std::vector<std::string>& problems) {
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    for (const ClientFile& file : client_files()) {
        const std::string address = directory + std::string(file.name);
        if (const std::string taken = why_taken(address, policy, files); !taken.empty()) {
            problems.push_back("client.path: " + taken + " has the address " + address +
                               ", too; choose another directory, as in \"/client/wayleave.js\"");
            continue;
        }
        files.emplace(address, served(file));
    }
}

}  // namespace wayleave
