#include "daemon/base/file_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace wayleave {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this == &other) return *this;
    close();
    fd_ = other.release();
    return *this;
}

int FileDescriptor::release() {
    return std::exchange(fd_, -1);
}

FileDescriptor FileDescriptor::share() const {
    return FileDescriptor(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
}

void FileDescriptor::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace wayleave
