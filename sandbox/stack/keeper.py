"""Runs one command and ends it when its owner dies. A script of its own: `python -I -S keeper.py OWNER_PID USER COMMAND…`.

The owner cannot ask the kernel for that itself: a parent-death signal comes when the parent's *thread* ends, and servers
are started from threads. So this process, which has one thread, is the command's parent: it watches the owner, and the
kernel watches it.

The command's process id is written to stdout, and the command's own output goes to stderr. USER is "-" for nobody else.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_RUN = 127


def main(owner: int, user: str, command: list[str]) -> int:
    """The command's exit code, 128 + N when signal N ended it."""
    try:
        owner_alive = os.pidfd_open(owner)
    except ProcessLookupError:
        return _CANNOT_RUN
    if os.getppid() != owner:  # it died, and its number already belongs to somebody else
        return _CANNOT_RUN
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        _become(keeper, user, command)
    os.write(1, b"%d\n" % child)
    os.close(1)
    child_alive = os.pidfd_open(child)
    waiting = select.poll()
    waiting.register(owner_alive, select.POLLIN)
    waiting.register(child_alive, select.POLLIN)
    if child_alive not in [descriptor for descriptor, _ in waiting.poll()]:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _become(keeper: int, user: str, command: list[str]) -> None:
    try:
        os.dup2(2, 1)
        if user != "-":
            account = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        # Only now: changing the user clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == keeper:
            os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    finally:
        os._exit(_CANNOT_RUN)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
