"""A Django application as it was before: two consumers, a log-in, and not a word of wayleave.

Debian: python3-django python3-django-channels python3-daphne. Serves 127.0.0.1:APP_PORT (8000).
"""
import json
import os
import sys

import django
from django.conf import settings

PORT = int(os.environ.get("APP_PORT", "8000"))
SOCKETS = os.environ.get("WAYLEAVE_PORT", "8080")  # where the page finds its sockets: this port, or wayleave's
HERE = os.path.dirname(os.path.abspath(__file__))

settings.configure(
    SECRET_KEY="not a secret: this is an example",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    INSTALLED_APPS=["channels"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from channels.generic.websocket import JsonWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from channels.sessions import SessionMiddlewareStack  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402


# --- the sockets ---

class UserConsumer(JsonWebsocketConsumer):
    """What both have in common: whose it is, and the group that it hears."""

    def connect(self):
        self.user = self.scope["session"].get("user")
        if not self.user:
            return self.close()
        self.group = f"{self.kind}-{self.user}"
        async_to_sync(self.channel_layer.group_add)(self.group, self.channel_name)
        self.accept()

    def disconnect(self, code):
        if self.user:
            async_to_sync(self.channel_layer.group_discard)(self.group, self.channel_name)

    def tell(self, event):
        self.send_json(event["message"])


class Notifications(UserConsumer):
    kind = "notifications"

    def connect(self):
        super().connect()
        if self.user:
            self.send_json({"unread": 0})

    def receive_json(self, content):
        if content.get("read"):
            self.send_json({"unread": 0})


class FriendRequests(UserConsumer):
    kind = "friends"

    def receive_json(self, content):
        to = str(content.get("to", ""))
        tell(f"friends-{to}", {"from": self.user, "request": True})
        self.send_json({"sent": to})


def tell(group, message):
    async_to_sync(get_channel_layer().group_send)(group, {"type": "tell", "message": message})


# --- the pages ---

def login(request):
    request.session["user"] = request.GET["user"]
    return HttpResponseRedirect("/")


def logout(request):
    request.session.flush()
    return HttpResponseRedirect("/")


def whoami(request):
    """Also what wayleave asks: whose cookie is this?"""
    user = request.session.get("user")
    return JsonResponse({"sub": user}) if user else JsonResponse({}, status=401)


def notify(request):
    tell(f"notifications-{request.GET['user']}", {"notification": request.GET["text"]})
    return JsonResponse({"sent": True})


def page(request):
    with open(os.path.join(HERE, "page.html"), encoding="utf-8") as file:
        return HttpResponse(file.read().replace("SOCKETS", json.dumps(SOCKETS)))


urlpatterns = [path("", page), path("login", login), path("logout", logout), path("whoami", whoami), path("notify", notify)]

application = ProtocolTypeRouter({
    "http": get_asgi_application(),
    "websocket": AllowedHostsOriginValidator(SessionMiddlewareStack(URLRouter([
        path("ws/notifications/", Notifications.as_asgi()),
        path("ws/friend-requests/", FriendRequests.as_asgi()),
    ]))),
})

if __name__ == "__main__":
    from daphne.server import Server
    print(f"Django: http://127.0.0.1:{PORT}", file=sys.stderr)
    Server(application, endpoints=[f"tcp:port={PORT}:interface=127.0.0.1"]).run()
