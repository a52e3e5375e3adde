"""Random lives of a stream: after every step Redis says exactly what plain Python says, and agrees with itself."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.audience.sessions import Session, owner_make
from apps.audience.store import Figures
from apps.realtime.redis import sync_client
from tests.audience.plain_presence import PlainPresence
from tests.audience.stage import NOON, Stage

VIEWERS = st.sampled_from(["ann", "bob", "cho"])
TABS = st.integers(1, 3)
CONNECTIONS = st.integers(0, 3)
SERVERS = st.sampled_from(["one", "two"])
# Moments around the edges that the rules speak of: silence, grace, the two minutes of a visit.
STEPS_MS = st.sampled_from([1, 999, 15_000, 20_000, 39_999, 40_001, 59_999, 60_000, 60_001, 119_999, 120_000, 200_000])


class PresenceMachine(RuleBasedStateMachine):
    """Arrivals, heartbeats, leaves, sweeps and the end, by two servers, in any order, some of them twice."""

    @initialize()
    def begin(self) -> None:
        """A stream that is live, and nobody there."""
        client: Any = sync_client()
        client.flushall()
        self.stage, self.plain = Stage(7), PlainPresence()
        self.firsts: dict[tuple[str, str], int] = {}  # what servers know of when a session came: its id, its owner
        self.stage.open()

    def _session(self, viewer: str, tab: int, connection: int, server: str) -> Session:
        owner = owner_make(connected_ms=NOON + connection, server=server, serial=1)
        joined_ms = self.firsts.get((f"{viewer}-{tab}", owner))
        return Session(session_id=f"{viewer}-{tab}", viewer_id=viewer, stream_id=7, owner=owner, joined_ms=joined_ms)

    def _expected(self) -> Figures:
        if self.plain.has_ended:
            return Figures("ended", 0, 0, 0)
        return Figures("live", len(self.plain.viewers), self.plain.peak, self.plain.total)

    def _past(self, found: dict[str, Any]) -> list[str]:
        """Every session that is over, however it is kept, in the model's times."""
        about, kept = found.get("live:past:about", {}), list(found.get("live:past", []))
        for name, held in found.get("live:past:ended", {}).items():
            kept.append(f"{name}|{about['ended_ms']}|ended|{held.partition('|')[2]}")
        past = []
        for record in kept:
            name, left, *rest = record.split("|")
            past.append("|".join([name, str(int(left) - NOON), *rest]))
        return sorted(past)

    @rule(
        who=st.lists(st.tuples(VIEWERS, TABS, CONNECTIONS), min_size=1, max_size=5, unique_by=lambda each: each[:2]),
        server=SERVERS,
        is_arrival=st.booleans(),
        times=st.integers(1, 2),
    )
    def announce(self, who: list[tuple[str, int, int]], server: str, is_arrival: bool, times: int) -> None:
        """Some tabs, of several viewers, in one call."""
        sessions = [self._session(*each, server) for each in who]
        # A script looks at who is recent once a call, so the order inside of a call cannot matter.
        earlier = {
            session.session_id: self.plain.hear(
                now=self.stage.at,
                session=session.session_id,
                owner=session.owner,
                viewer=session.viewer_id,
                is_arrival=is_arrival,
                joined=session.joined_ms,
            )
            for session in sessions
        }
        for _ in range(times):
            tell = self.stage.arrive if is_arrival else self.stage.beat
            assert tell(*sessions, server=server) == self._expected()
            assert self.stage.earlier == {name: since for name, since in earlier.items() if since is not None}
        owners = {session.session_id: session.owner for session in sessions}
        self.firsts.update({(name, owners[name]): since for name, since in self.stage.earlier.items()})

    @rule(
        who=st.lists(st.tuples(VIEWERS, TABS, CONNECTIONS), min_size=1, max_size=5),
        server=SERVERS,
        grace=st.sampled_from([0, 0, 20_000]),
        times=st.integers(1, 2),
    )
    def depart(self, who: list[tuple[str, int, int]], server: str, grace: int, times: int) -> None:
        """Some leave; late, double and mistaken leaves among them."""
        sessions = [self._session(*each, server) for each in who]
        for session in sessions:
            self.plain.leave(now=self.stage.at, session=session.session_id, owner=session.owner, grace=grace)
        for _ in range(times):
            assert self.stage.depart(*sessions, server=server, grace_ms=grace) == self._expected()

    @rule(step=STEPS_MS)
    def time_passes(self, step: int) -> None:
        """The clock goes on."""
        self.stage.at += step

    @rule()
    def sweep(self) -> None:
        """Who fell silent goes."""
        went = self.plain.sweep(now=self.stage.at)
        figures, out = self.stage.sweep()
        assert (figures.current, out) == (len(self.plain.viewers), went)

    @rule(certainty=st.integers(0, 19))
    def end(self, certainty: int) -> None:
        """Now and then a stream ends."""
        if certainty == 0:
            self.plain.end(now=self.stage.at)
            assert self.stage.end() == [self.plain.peak, self.plain.total]

    @invariant()
    def redis_says_what_is_true(self) -> None:
        """Every key, compared with the model and with the others."""
        state = "ended" if self.plain.has_ended else "live"
        assert self.stage.figures() == Figures(state, len(self.plain.viewers), self.plain.peak, self.plain.total)
        audit = self.stage.audit()
        assert audit.current == audit.users == audit.viewers == len(self.plain.viewers)
        assert audit.heard == audit.recorded == audit.tabs == len(self.plain.sessions)
        found = self.stage.dump()
        assert found.get("hb", {}) == {name: held.heard for name, held in self.plain.sessions.items()}
        assert found.get("live:users", set()) == self.plain.viewers
        assert self._past(found) == sorted(self.plain.past)
        assert found.get("live:sessions", {}) == {
            name: f"{held.owner}|{held.joined}|{held.viewer}" for name, held in self.plain.sessions.items()
        }


@pytest.mark.slow
def test_redis_agrees_with_the_plain_model(redis_url: str) -> None:
    """`FULLHOUSE_MODEL_RUNS` asks for more lives than the few that every run can afford."""
    runs = int(os.environ.get("FULLHOUSE_MODEL_RUNS", "60"))
    run_state_machine_as_test(
        PresenceMachine,
        settings=settings(
            max_examples=runs, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
