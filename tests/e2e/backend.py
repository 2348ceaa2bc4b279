"""A backend of a test's own: an HTTP server that remembers what it was asked and answers as the test says."""
import http.server
import json
import threading
import time
import types


class Backend:
    """`answer(request)` gives (status, body[, headers]); a request has path, headers, count, and body if it is a POST."""

    def __init__(self, answer, port=0, wrap=None):
        self.requests = []
        self.answer = answer
        self._lock = threading.Lock()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                self.do_GET()

            def do_GET(self):
                # The next request of the connection comes to this same object.
                request = types.SimpleNamespace(command=self.command, path=self.path, headers=self.headers, body=getattr(self, "body", b""))
                with backend._lock:
                    backend.requests.append(request)
                    request.count = len(backend.requests)
                status, body, *more = backend.answer(request)
                data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass  # the daemon does not want to hear all of it

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        if wrap:
            self._server.socket = wrap(self._server.socket)
        self.port = self._server.server_port
        self.url = f"{'https' if wrap else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wait_for(self, count, patience=30):
        until = time.monotonic() + patience
        while len(self.requests) < count:
            assert time.monotonic() < until, f"{len(self.requests)} requests came, not {count}"
            time.sleep(0.01)
