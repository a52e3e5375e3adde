"""Runs a command that dies with its parent: ``python tether.py PARENT_PID COMMAND...``.

A supervisor killed with SIGKILL cannot clean up, and its children would live on and hold its ports. The kernel can
end them instead (PR_SET_PDEATHSIG), and the setting survives ``exec``, so any program can be tethered.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` tethered to this process."""
    return [sys.executable, "-I", __file__, str(os.getpid()), *command]


def main(arguments: list[str]) -> None:
    """Ask the kernel for SIGTERM at the parent's death, then become the command."""
    parent, command = int(arguments[0]), arguments[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the call above: nobody would ever signal us.
        raise SystemExit(1)
    os.execvp(command[0], command)  # noqa: S606  no shell, the command is our own


if __name__ == "__main__":
    main(sys.argv[1:])
