"""Progress of a replay: one line that is rewritten on a terminal, a plain line every few seconds elsewhere."""

import time
from typing import TextIO

BAR_WIDTH = 28
TERMINAL_EVERY_S = 0.2
PLAIN_EVERY_S = 10.0


class Progress:
    """Shows a share and some words, as often as suits the output."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._due = 0.0
        self._drawn = 0

    def show(self, share: float, words: str) -> None:
        """Show how far it is; calls that come too soon are dropped."""
        now = time.monotonic()
        if now < self._due:
            return
        share = min(max(share, 0.0), 1.0)
        if self._terminal:
            self._due = now + TERMINAL_EVERY_S
            filled = round(share * BAR_WIDTH)
            line = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%}  {words}"
            self._out.write("\r" + line.ljust(self._drawn))
            self._drawn = len(line)
        else:
            self._due = now + PLAIN_EVERY_S
            self._out.write(f"{share:4.0%}  {words}\n")
        self._out.flush()

    def note(self, line: str) -> None:
        """A whole line that stays, above the bar."""
        self._clear()
        self._out.write(line + "\n")
        self._out.flush()
        self._due = 0.0

    def close(self) -> None:
        """Leave the terminal clean."""
        self._clear()
        self._out.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._out.write("\r" + " " * self._drawn + "\r")
            self._drawn = 0
