// A small HTTP/1.1 server on the main thread's loop, for the admin address and the control socket: one
// request a connection, a bounded number of them, and a deadline for each. Its clients are the operator's.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/authority.h"
#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"
#include "dsl/result.h"

namespace wayleave {

struct OpsRequest {
    std::string_view method;
    std::string_view path;  // decoded
    std::string_view body;
};

struct OpsAnswer {
    int status = 200;
    std::string content_type;
    std::string body;
    std::string extra_headers = {};  // complete lines
};

class HttpServer {
  public:
    using Handler = std::function<OpsAnswer(const OpsRequest& request)>;

    // Whether a request for this host is answered, at a connection to this address of the machine.
    using HostRule = std::function<bool(const Authority& host, const dsl::Address& local)>;

    // Without a rule every host is: a Unix socket has none.
    HttpServer(Loop& loop, FileDescriptor listening, Handler handler, HostRule answers_host = {});
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

  private:
    class Connection;

    void accept_some();
    [[nodiscard]] std::list<std::unique_ptr<Connection>>::iterator oldest_idle();
    void finished(Connection& connection);

    Loop& loop_;
    FileDescriptor socket_;
    Handler handler_;
    HostRule answers_host_;
    std::list<std::unique_ptr<Connection>> connections_;
    std::vector<std::unique_ptr<Connection>> finished_;  // freed outside of their own callbacks
    IoWatcher io_;
    Timer sweeper_;
};

// The host is an address of this machine at which it was asked, a name of the machine for itself, or one of
// `names`. A page can give its own name the address of this machine (DNS rebinding), and would then be read
// to; it cannot make a browser send another name than its own.
[[nodiscard]] bool is_own_host(const Authority& host, const dsl::Address& local,
                               const std::vector<std::string>& names);

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
    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&&) = delete;
    ~UnixListener();

    [[nodiscard]] FileDescriptor take_socket() { return std::move(socket_); }
    // One more descriptor of the same socket: each connection is accepted at one of them.
    [[nodiscard]] FileDescriptor share_socket() const;

  private:
    UnixListener(std::string path, FileDescriptor socket)
        : path_(std::move(path)), socket_(std::move(socket)) {}

    std::string path_;
    FileDescriptor socket_;
};

}  // namespace wayleave
