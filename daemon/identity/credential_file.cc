#include "daemon/identity/credential_file.h"

#include <cstdlib>

#include "dsl/policy/policy.h"

namespace wayleave {

Result<std::string> locate_file(const std::string& path) {
    if (!is_credential(path)) return path;
    const std::string name = path.substr(dsl::credential_prefix.size());
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
        return failure(
            "a credential is named without a directory; write LoadCredential=NAME:/path in the unit");
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') {
        return failure("$CREDENTIALS_DIRECTORY is not set; write LoadCredential=" + name +
                       ":/path in the unit, and outside of it set the variable to the directory of the file");
    }
    return std::string(directory) + "/" + name;
}

bool is_credential(std::string_view path) {
    return path.starts_with(dsl::credential_prefix);
}

}  // namespace wayleave
