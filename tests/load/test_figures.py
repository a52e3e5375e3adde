"""The arithmetic that the benchmarks' figures rest on."""

import pytest

from tests.load.figures import Window, events_per_cpu_second, net_us_per_event, percentile, wrk_read


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.95, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        (list(range(1, 101)), 0.95, 95),
        (list(range(1, 101)), 1.0, 100),
        (list(range(1, 20)), 0.95, 19),  # of 19 values, 95% is all but nothing: the largest
        (list(range(1, 21)), 0.95, 19),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_percentile_refuses_what_has_none(values: list[float], share: float) -> None:
    with pytest.raises(ValueError):
        percentile(values, share)


def test_events_per_cpu_second_gross_and_net() -> None:
    busy, idle = Window(10, 3.0, 100_000), Window(20, 2.0, 10_000)
    assert events_per_cpu_second(busy) == pytest.approx(33_333.3, rel=1e-4)
    # Idling costs 0.1 s and 500 events a second: 2 s of CPU are left for 95,000 events.
    assert events_per_cpu_second(busy, idle) == pytest.approx(47_500)


def test_a_window_that_shows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        events_per_cpu_second(Window(10, 1.0, 10), Window(10, 1.0, 0))


def test_net_us_per_event_takes_the_background_out() -> None:
    assert net_us_per_event(Window(2, 0.1, 5_000), Window(4, 0.04, 0)) == pytest.approx(16.0)
    assert net_us_per_event(Window(2, 0.01, 5_000), Window(4, 0.04, 0)) == 0.0


WRK = """Running 5s test @ http://127.0.0.1:8000/api/rankings
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    18.71ms    3.02ms  49.63ms   93.88%
    Req/Sec   429.39     46.44   500.00     78.00%
  2143 requests in 5.01s, 4.12MB read
{errors}Requests/sec:    427.91
Transfer/sec:    842.42KB
"""


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ("", (2143, 0)),
        ("  Non-2xx or 3xx responses: 17\n", (2143, 17)),
        ("  Socket errors: connect 1, read 2, write 0, timeout 4\n  Non-2xx or 3xx responses: 3\n", (2143, 10)),
    ],
)
def test_what_wrk_says_is_read(errors: str, expected: tuple[int, int]) -> None:
    assert wrk_read(WRK.format(errors=errors)) == expected


def test_no_report_of_wrk_is_no_figure() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        wrk_read("unable to connect to 127.0.0.1:1 Connection refused")
