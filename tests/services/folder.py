"""One temporary folder for everything that a test run starts; what a killed run left behind is removed by the next."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from .process import kill_all

PREFIX = "fullhouse-"
# A database of tests needs no disk: memory when there is enough of it (containers often give /dev/shm 64 MB only).
MEMORY_FOLDER = Path("/dev/shm")
MEMORY_NEEDED = 2 * 1024**3


def _base() -> Path:
    usable = MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK)
    if usable and shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_NEEDED:
        return MEMORY_FOLDER
    # Not $TMPDIR: the path of a Unix socket may have 107 characters only.
    return Path("/tmp")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove_leftovers(base: Path) -> None:
    """Remove folders whose test run is gone (it was killed, so it could not clean up)."""
    for folder in base.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def make_folder() -> Path:
    """A new folder that is removed when this process ends."""
    base = _base()
    remove_leftovers(base)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
    atexit.register(_remove, folder)
    return folder


def _remove(folder: Path) -> None:
    # In this order: a server that still runs would write new files behind our back.
    kill_all()
    shutil.rmtree(folder, ignore_errors=True)
