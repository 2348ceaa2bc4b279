"""Holds one thread of a daemon, as no signal can."""
import ctypes
import os

SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class HeldThread:
    """Stops one thread of our child by tracing it. PermissionError where the machine does not let us."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        for request in (SEIZE, INTERRUPT):
            if libc.ptrace(request, self.thread, None, None) != 0:
                raise PermissionError(ctypes.get_errno(), "ptrace")
        os.waitpid(self.thread, WALL)
        return self

    def __exit__(self, *_):
        self.release()

    def release(self):
        libc.ptrace(DETACH, self.thread, None, None)

    def bury(self):
        """When its process has ended: until its tracer has seen it, the process does not."""
        os.waitpid(self.thread, WALL)


def threads(daemon, name):
    tasks = f"/proc/{daemon.process.pid}/task"
    found = []
    for task in sorted(os.listdir(tasks), key=int):
        with open(f"{tasks}/{task}/comm", encoding="ascii") as file:
            if file.read().strip() == name:
                found.append(int(task))
    return found
