#!/usr/bin/env python3
"""An application without a framework: people, friends, tasks, a form, uploads, rooms. wayleave holds its sockets.

It serves its page and its login; POST /hooks is all that wayleave says to it, and tell() all that it says by itself.
"""
import base64
import contextlib
import hmac
import http.server
import json
import os
import re
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.environ.get("RUN_DIRECTORY", os.path.join(HERE, "run"))
PORT = int(os.environ.get("APP_PORT", "8000"))
WAYLEAVE = f"127.0.0.1:{os.environ.get('WAYLEAVE_PORT', '8080')}"
COMPANY = {"ann": "acme", "ben": "acme", "cat": "globex"}  # a real login has passwords, too


def read(name):
    with open(os.path.join(RUN, name), "rb") as file:
        return file.read().strip()


HOOK_KEY = base64.b64decode(read("app.whsec").removeprefix(b"whsec_"))
API_KEY = read("server.key")


class Refused(Exception):
    """Becomes the `$error` of the page: a status, a word for programs and a text for people."""

    def __init__(self, status, error, detail):
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail


# --- what the application knows: one dict in one file, which a restart finds again ---

class State(dict):
    def __init__(self, path):
        super().__init__(n=0, logins={}, here=[], tasks={}, requests={}, friends={}, done={},
                         rooms={"lobby": sorted(COMPANY), "board": ["ann"]}, said={})
        self.path, self.lock = path, threading.RLock()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.update(json.load(file))

    def __enter__(self):
        self.lock.acquire()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self["n"] += 1
            with open(self.path + "~", "w", encoding="utf-8") as file:
                json.dump(self, file)
            os.replace(self.path + "~", self.path)
        self.lock.release()


state = State(os.path.join(RUN, "app.json"))


def view(user):
    """All that a page must know at its beginning. `n` tells it which news are older."""
    company = COMPANY[user]
    return {"type": "state", "n": state["n"] + 1, "user": user, "people": sorted(COMPANY),
            "here": [u for u in state["here"] if COMPANY[u] == company], "tasks": state["tasks"].get(company, []),
            "requests": state["requests"].get(user, []), "friends": state["friends"].get(user, []),
            "rooms": [room for room, members in state["rooms"].items() if user in members]}


def news(channel, kind, **members):
    return {"channel": channel, "data": {"type": kind, "n": state["n"] + 1, **members}}


# --- what wayleave tells: one function for each type; what they return are orders ---

def connect(user, _):
    if user not in state["here"]:
        state["here"].append(user)
    came = news(f"company/{COMPANY[user]}", "presence", user=user, here=True)
    return {"send": [view(user)], "publish": [came]}


def disconnect(user, envelope):
    if not envelope["last"] or user not in state["here"]:
        return None
    state["here"].remove(user)
    return {"publish": [news(f"company/{COMPANY[user]}", "presence", user=user, here=False)]}


def friend_request(user, message):
    if message["to"] not in COMPANY:
        raise Refused(404, "no_such_user", "nobody has that name")
    waiting = state["requests"].setdefault(message["to"], [])
    if user not in waiting:
        waiting.append(user)
    return {"publish": [news(f"user/{message['to']}", "friend.requested", **{"from": user})]}


def friend_answer(user, message):
    other = message["from"]
    if other not in state["requests"].get(user, []):
        raise Refused(409, "no_request", "there is no such request")
    state["requests"][user].remove(other)
    if message["yes"]:
        for one, two in ((user, other), (other, user)):
            state["friends"][one] = sorted({*state["friends"].get(one, []), two})
    return {"publish": [news(f"user/{one}", "friend.answered", **{"from": two}, yes=message["yes"])
                        for one, two in ((user, other), (other, user))]}


def task_add(user, message):
    tasks = state["tasks"].setdefault(COMPANY[user], [])
    tasks.append({"id": len(tasks) + 1, "text": message["text"], "done": False})
    return {"publish": [news(f"company/{COMPANY[user]}", "task", task=tasks[-1])]}


def task_done(user, message):
    tasks = [t for t in state["tasks"].get(COMPANY[user], []) if t["id"] == message["id"]]
    if not tasks:
        raise Refused(404, "no_such_task", "your company has no such task")
    tasks[0]["done"] = message["done"]
    return {"publish": [news(f"company/{COMPANY[user]}", "task", task=tasks[0])]}


def form_submit(_, message):
    mistakes = {}
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", message["email"]):
        mistakes["email"] = "this is no address"
    if len(message["text"]) < 3:
        mistakes["text"] = "please say more"
    return {"reply": {"saved": not mistakes, "mistakes": mistakes}}


def members_of(room, user):
    members = state["rooms"].get(room, [])
    if user not in members:
        raise Refused(403, "forbidden", "you are no member of this room")
    return members


def room_join(user, message):
    members_of(message["room"], user)
    return {"subscribe": [f"room/{message['room']}"]}


def room_read(user, message):
    """A page asks when it is in the room: what is said from then on it hears, so that nothing falls between."""
    members_of(message["room"], user)
    return {"reply": {"said": state["said"].get(message["room"], [])}}


def room_invite(user, message):
    members = members_of(message["room"], user)
    if message["who"] not in COMPANY:
        raise Refused(404, "no_such_user", "nobody has that name")
    if message["who"] not in members:
        members.append(message["who"])
    return {"publish": [news(f"user/{message['who']}", "room.invited", room=message["room"], **{"from": user})]}


def room_say(user, message):
    members_of(message["room"], user)
    said = state["said"].setdefault(message["room"], [])
    said.append({"n": state["n"] + 1, "from": user, "text": message["text"]})
    del said[:-50]
    return {"publish": [news(f"room/{message['room']}", "room.said", room=message["room"], **{"from": user}, text=message["text"])]}


MESSAGES = {"friend.request": friend_request, "friend.answer": friend_answer, "task.add": task_add, "task.done": task_done,
            "form.submit": form_submit, "room.join": room_join, "room.invite": room_invite, "room.read": room_read,
            "room.say": room_say}


def hook(envelope):
    """Each id is done once, however often it comes: wayleave repeats what it had no answer to."""
    with state:
        if envelope["id"] not in state["done"]:
            if envelope["type"] == "message":
                orders = MESSAGES[envelope["message"]["type"]](envelope["user"], envelope["message"])
            else:
                orders = {"connect": connect, "disconnect": disconnect}[envelope["type"]](envelope["user"], envelope)
            state["done"][envelope["id"]] = orders
            for old in list(state["done"])[:-1000]:
                del state["done"][old]
        return state["done"][envelope["id"]]


def signed(headers, body):
    """Standard Webhooks: an HMAC over id, time and body, by the key that we share, and not long ago."""
    stamp = headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", stamp) or abs(time.time() - int(stamp)) > 300:
        return False
    text = f"{headers.get('webhook-id')}.{stamp}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.digest(HOOK_KEY, text, "sha256"))
    return any(hmac.compare_digest(wanted, given.encode()) for given in headers.get("webhook-signature", "").split())


# --- what the application says by itself, over wayleave's HTTP API ---

def api_token():
    def part(value):
        return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=")
    claims = {"sub": "app", "aud": "saas-api", "exp": int(time.time()) + 60}
    text = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    return (text + b"." + part(hmac.digest(API_KEY, text, "sha256"))).decode()


def api(operation, body, pauses=(0.1, 0.3, 1, 2, 0)):
    """Asks again while wayleave is away; by its key it is done once."""
    headers = {"Authorization": "Bearer " + api_token(), "Content-Type": "application/json",
               "Idempotency-Key": secrets.token_hex(16)}
    request = urllib.request.Request(f"http://{WAYLEAVE}/api/{operation}", json.dumps(body).encode(), headers)
    for pause in pauses:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
        except OSError:
            pass
        time.sleep(pause)
    raise Refused(503, "unavailable", "wayleave is away")


# --- HTTP ---

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else the second waits for the client's delayed ACK

    def do_GET(self):
        if self.path == "/whoami":
            return self.whoami()
        if self.path == "/me":
            return self.answer(200 if self.user() else 401, {})
        if self.path != "/":
            return self.answer(404, {})
        with open(os.path.join(HERE, "www/index.html"), encoding="utf-8") as file:
            return self.answer(200, file.read().replace("WAYLEAVE", WAYLEAVE).encode(), "text/html; charset=utf-8")

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > 64 << 20:
            self.close_connection = True
            return self.answer(413, {})
        if self.path == "/upload":
            return self.upload(int(length))
        body = self.rfile.read(int(length))
        if self.path == "/hooks":
            return self.hooks(body)
        # A page of another site cannot send this type without asking first.
        if self.headers.get("Content-Type") != "application/json":
            return self.answer(415, {})
        action = {"/login": self.login, "/logout": self.logout, "/remind": self.remind}.get(self.path)
        try:
            return action(json.loads(body)) if action else self.answer(404, {})
        except Refused as no:
            return self.answer(no.status, {"error": no.error, "detail": no.detail})

    def hooks(self, body):
        if not signed(self.headers, body):
            return self.answer(401, {})
        try:
            orders = hook(json.loads(body))
            return self.answer(200, orders, "application/wayleave+json") if orders else self.answer(204, b"")
        except Refused as no:
            return self.answer(no.status, {"error": no.error, "detail": no.detail}, "application/problem+json")

    def whoami(self):
        """What the cookie's claims are. Only wayleave asks, and signs that, too."""
        user = self.user() if signed(self.headers, b"") else None
        return self.answer(200, {"sub": user, "company": COMPANY[user], "login": self.login_id()}) if user else self.answer(401, {})

    def login(self, form):
        if form.get("name") not in COMPANY:
            return self.answer(403, {})
        sid = secrets.token_hex(16)
        with state:
            state["logins"][sid] = form["name"]
        return self.answer(200, {}, cookie=f"sid={sid}; Path=/; HttpOnly; SameSite=Strict")

    def logout(self, _):
        """The connections that this login opened end with it, and no others of this user."""
        with state:
            state["logins"].pop(self.sid(), None)
        api("disconnect", {"claim": {"name": "login", "value": self.login_id()}})
        return self.answer(200, {}, cookie="sid=; Path=/; Max-Age=0")

    def remind(self, form):
        """Something that the application itself has to say: somebody pressed a button in another page."""
        user = self.user()
        if not user or form.get("to") not in COMPANY:
            return self.answer(403, {})
        api("publish", {"channel": f"user/{form['to']}", "data": {"type": "notification", "text": f"{user} reminds you"}})
        return self.answer(200, {})

    def upload(self, length):
        user, name = self.user(), urllib.parse.unquote(self.headers.get("Upload-Name", "a file"))
        if not user or self.headers.get("Origin") not in (None, f"http://{self.headers.get('Host')}"):
            self.close_connection = True
            return self.answer(403, {})
        key, got, told = secrets.token_hex(8), 0, 0
        while got < length:
            block = self.rfile.read(min(65536, length - got))
            if not block:
                return None
            got += len(block)
            percent = 100 * got // length
            if percent > told:
                self.progress(user, {"type": "upload", "id": key, "name": name, "percent": percent})
                told = percent
        return self.answer(200, {"id": key})

    @staticmethod
    def progress(user, data):
        """Of these only the last matters; the upload does not wait for one that gets lost."""
        with contextlib.suppress(Refused):
            api("publish", {"channel": f"upload/{user}", "key": data["id"], "data": data}, pauses=(0,))

    def sid(self):
        cookie = re.search(r"(?:^|; *)sid=([0-9a-f]{32})(?:;|$)", self.headers.get("Cookie", ""))
        return cookie[1] if cookie else ""

    def login_id(self):
        """Names a login, and does not open it."""
        return hmac.digest(API_KEY, self.sid().encode(), "sha256").hex()[:16]

    def user(self):
        return state["logins"].get(self.sid())

    def answer(self, status, body, kind="application/json", cookie=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Server(("127.0.0.1", PORT), Handler).serve_forever()
