// Unix sockets that the daemon listens on, and who is at their other end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/edge/socket.h"
#include "dsl/text/result.h"

namespace wayleave {

// A listening Unix socket that removes its file when it goes.
class UnixListener {
  public:
    struct Options {
        std::string_view setting = "control.socket";  // that says so, for errors
        unsigned mode = 0600;
        std::string group = {};  // by name or number; empty: the daemon's own
        int backlog = 64;
    };
    // Makes the directory if it is missing. A file that a dead daemon left behind is replaced; where one
    // answers, this is an error, with errno in `code`.
    [[nodiscard]] static Result<UnixListener, ListenError> open(const std::string& path,
                                                                const Options& options);
    // Whether open() would find nobody there.
    [[nodiscard]] static Result<Nothing, ListenError> check_unused(const std::string& path,
                                                                   const Options& options);
    // The file of a socket that another daemon has bound and gave to us. It stays that daemon's until
    // own_file().
    [[nodiscard]] static Result<UnixListener, ListenError> adopt(const std::string& path,
                                                                 const Options& options);
    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&&) = delete;
    ~UnixListener();

    [[nodiscard]] FileDescriptor take_socket() { return std::move(socket_); }
    // The file is removed when this goes, or it is another daemon's.
    void own_file() { owns_ = true; }
    void leave_file() { owns_ = false; }
    // Whether its file is still there, and still its own.
    [[nodiscard]] bool stands() const;
    // Somebody has removed it, so that nobody finds the socket any more.
    [[nodiscard]] bool is_missing() const;

  private:
    UnixListener(std::string path, FileDescriptor socket);

    std::string path_;
    uint64_t device_ = 0;
    uint64_t inode_ = 0;
    bool owns_ = true;
    FileDescriptor socket_;
};

// Its number, by name or number.
[[nodiscard]] std::optional<uint32_t> group_number(const std::string& text);

// Whether the peer is root, the daemon's own user, or was a member of the group when it connected. The kernel
// says so, whatever became of the file's mode.
[[nodiscard]] bool is_peer_of(int socket, std::optional<uint32_t> group);

}  // namespace wayleave
