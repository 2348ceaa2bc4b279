#!/usr/bin/python3
"""Publishes to a channel as an application's server does: publish.py ADDRESS TOKEN_FILE CHANNEL DATA

ADDRESS is that of the api, DATA a JSON object. The answer is printed. A program of yours takes publish() out of it.
"""
import json
import sys
import time
import urllib.error
import urllib.request
import uuid


class Refused(Exception):
    """The problem that the answer names: it will be the same next time."""


def publish(address, token, channel, data, *, key=None, patience=30):
    """Returns {"epoch", "offset"} where the channel keeps messages.

    Without an answer, and after 409, 429 and 503, it asks again until `patience` seconds are over. The key says that
    it is the same request, so the message is published once. Choose one yourself, as the id of a row in an outbox, if
    the program may end before it has the answer.
    """
    request = urllib.request.Request(
        address + "/publish", json.dumps({"channel": channel, "data": data}).encode(),
        {"Authorization": "Bearer " + token, "Content-Type": "application/json",
         "Idempotency-Key": key or str(uuid.uuid4())})
    until, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = error.read().decode()
            if error.code not in (409, 429, 503):
                raise Refused(problem) from None
            why, pause = problem, max(pause, float(error.headers.get("Retry-After", 0)))
        except OSError as error:
            why = str(error)
        if time.monotonic() + pause > until:
            raise TimeoutError(why)
        time.sleep(pause)
        pause *= 2


def main():
    address, token_file, channel, data = sys.argv[1:]
    with open(token_file, encoding="ascii") as token:
        print(json.dumps(publish(address, token.read().strip(), channel, json.loads(data))))


if __name__ == "__main__":
    try:
        main()
    except (Refused, TimeoutError) as why:
        sys.exit(f"publish.py: {why}")
