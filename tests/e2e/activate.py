"""Becomes a program with listening sockets, as systemd.socket(5) starts it: NAME=DESCRIPTOR… -- PROGRAM ARGUMENT…"""
import os
import sys

split = sys.argv.index("--")
passed = [one.rsplit("=", 1) for one in sys.argv[1:split]]
# Out of the way first: a descriptor may stand where another one goes.
spare = [os.dup2(int(number), 100 + i) for i, (_, number) in enumerate(passed)]
for number in (int(number) for _, number in passed):
    os.close(number)
for i, number in enumerate(spare):
    os.dup2(number, 3 + i)
    os.close(number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(passed)), LISTEN_FDNAMES=":".join(name for name, _ in passed))
os.execv(sys.argv[split + 1], sys.argv[split + 1:])
