// A small HTTP/1.1 server on the main thread's loop, for the admin address and the control socket: one
// request a connection, a bounded number of them, and a deadline for each. Its clients are the operator's.
// Who answers may take its time; the loop goes on meanwhile.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/edge/loop.h"
#include "daemon/edge/socket.h"
#include "daemon/protocol/authority.h"
#include "dsl/text/result.h"

namespace wayleave {

struct OpsRequest {
    std::string_view method;
    std::string_view path;  // decoded
    std::string_view body;
    int socket = -1;                      // whose peer asks
    std::string_view authorization = {};  // the field; empty: it is not there
    std::string_view origin = {};         // likewise
    std::string_view host = {};           // "localhost:9180"; empty: HTTP/1.0
    bool takes_gzip = false;
};

struct OpsAnswer {
    int status = 200;
    std::string content_type;
    std::string body;
    std::string extra_headers = {};  // complete lines
    // Given to the client beside the first bytes, in this order; at a Unix socket alone.
    std::shared_ptr<const std::vector<FileDescriptor>> sockets = nullptr;
};

// Answers one request, within the handler or later, on the loop's thread. Only the first answer counts. The
// client, or the whole server, may be gone by then.
using Responder = std::function<void(const OpsAnswer& answer)>;

class HttpServer {
  public:
    // The request is valid during the call alone.
    using Handler = std::function<void(const OpsRequest& request, const Responder& respond)>;

    // Whether a request for this host is answered, at a connection to this address of the machine.
    using HostRule = std::function<bool(const Authority& host, const dsl::Address& local)>;

    // Whether whoever is at the other end of this socket is served.
    using PeerRule = std::function<bool(int socket)>;

    // Without rules all are: a Unix socket has no host, and an address no user.
    HttpServer(Loop& loop, FileDescriptor listening, Handler handler, HostRule answers_host = {},
               PeerRule serves_peer = {});
    // Requests that wait for their answer are told that it does not come.
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Accepts at another socket from now on; what is connected stays.
    void listen_at(FileDescriptor listening);
    void stop_listening();
    // For a daemon that takes over.
    [[nodiscard]] FileDescriptor share_socket() const { return socket_.share(); }

  private:
    class Connection;

    void accept_some();
    [[nodiscard]] std::list<std::shared_ptr<Connection>>::iterator oldest_idle();
    void finished(Connection& connection);

    Loop& loop_;
    FileDescriptor socket_;
    Handler handler_;
    HostRule answers_host_;
    PeerRule serves_peer_;
    std::list<std::shared_ptr<Connection>> connections_;
    std::vector<std::shared_ptr<Connection>> finished_;  // freed outside of their own callbacks
    std::optional<IoWatcher> io_;
    Timer sweeper_;
};

// The host is an address of this machine at which it was asked, a name of the machine for itself, or one of
// `names`. A page can give its own name the address of this machine (DNS rebinding), and would then be read
// to; it cannot make a browser send another name than its own.
[[nodiscard]] bool is_own_host(const Authority& host, const dsl::Address& local,
                               const std::vector<std::string>& names);

}  // namespace wayleave
