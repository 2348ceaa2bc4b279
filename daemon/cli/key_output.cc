#include "daemon/cli/key_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/cli/terminal.h"
#include "daemon/edge/socket.h"

namespace wayleave {

int write_key(const std::string& path, const std::string& text) {
    FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file.open()) {
        complain(path + ": " + std::strerror(errno) + "; choose another name");
        return EX_CANTCREAT;
    }
    const ssize_t written = write(file.get(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size()) || fsync(file.get()) != 0) {
        complain(path + ": " + std::strerror(errno) + "; check the disk");
        unlink(path.c_str());
        return EX_IOERR;
    }
    return EX_OK;
}

}  // namespace wayleave
