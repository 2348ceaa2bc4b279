#include "daemon/edge/passed_descriptors.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace wayleave {

ssize_t send_with_descriptors(const FileDescriptor& socket, char byte, const std::vector<int>& descriptors) {
    const size_t size = descriptors.size() * sizeof(int);
    iovec bytes{&byte, 1};
    std::vector<char> room(CMSG_SPACE(size));
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    if (size > 0) std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    return sendmsg(socket.get(), &message, MSG_NOSIGNAL);
}

ssize_t receive_with_descriptors(const FileDescriptor& socket, std::span<char> bytes,
                                 std::vector<FileDescriptor>& descriptors) {
    constexpr size_t most = 253;  // SCM_MAX_FD
    iovec place{bytes.data(), bytes.size()};
    std::vector<char> room(CMSG_SPACE(most * sizeof(int)));
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
    const ssize_t count = recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
    if (count < 0) return count;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const size_t numbers = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < numbers; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
            descriptors.emplace_back(number);
        }
    }
    if ((message.msg_flags & MSG_CTRUNC) == 0) return count;
    errno = EMFILE;  // some were lost: there is no room for them in the process
    return -1;
}

}  // namespace wayleave
