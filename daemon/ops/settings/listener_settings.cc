#include <filesystem>
#include <string>
#include <system_error>

#include "daemon/ops/settings/settings.h"

namespace wayleave {

std::string ListenerSettings::place() const {
    const std::string path = unix_path();
    if (path.empty()) return address;
    const std::filesystem::path file(path);
    std::error_code error;
    const auto directory = std::filesystem::weakly_canonical(file.parent_path(), error);
    return error ? address : "unix:" + (directory / file.filename()).string();
}

}  // namespace wayleave
