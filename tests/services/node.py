"""Node, to run the scripts that are made to be copied to other servers."""

from pathlib import Path

import playwright

from .process import find_program


def find_node() -> str:
    """The Node that Playwright's wheel brings along; of the system, where it was installed without."""
    brought = Path(playwright.__file__).parent / "driver" / "node"
    return str(brought) if brought.is_file() else find_program("node")
