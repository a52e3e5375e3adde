"""How many places one client address may take from this process: so many a second, ten seconds' worth at once."""

BURST_S = 10.0
# Addresses remembered in BURST_S. Who makes up more of them than this gets another burst, and the process no larger.
ADDRESSES_KEPT = 50_000


class JoinLimit:
    """A bucket of places an address. One that was not asked for during BURST_S is full again, and forgotten."""

    def __init__(self, per_second: float) -> None:
        """`per_second` 0 limits nobody."""
        self._per_second = per_second
        self._burst = per_second * BURST_S
        self._now: dict[str, tuple[float, float]] = {}  # address -> places left, and when
        self._before: dict[str, tuple[float, float]] = {}  # of the BURST_S before
        self._turned_at = float("-inf")

    def wait_s(self, address: str, now: float) -> float:
        """Take a place for this address: 0.0, or in how many seconds to ask again. `now` in s, never going back."""
        if not self._per_second:
            return 0.0
        if now - self._turned_at >= BURST_S or len(self._now) >= ADDRESSES_KEPT:
            self._before = self._now if now - self._turned_at < 2 * BURST_S else {}
            self._now, self._turned_at = {}, now
        left, at = self._now.get(address) or self._before.get(address) or (self._burst, now)
        left = min(self._burst, left + (now - at) * self._per_second)
        if left < 1.0:
            self._now[address] = (left, now)
            return (1.0 - left) / self._per_second
        self._now[address] = (left - 1.0, now)
        return 0.0

    def give_back(self, address: str) -> None:
        """The place that was taken last was not given after all."""
        if address in self._now:
            left, at = self._now[address]
            self._now[address] = (min(self._burst, left + 1.0), at)

    @property
    def addresses(self) -> int:
        """How many are remembered."""
        return len(self._now) + len(self._before)
