"""Recorded days, which are not ours to pass on: they are in a folder of one's own, named by FULLHOUSE_TRACES."""

import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("FULLHOUSE_TRACES", "")
# A name in the environment that leads nowhere fails the tests; only no name at all leaves them out.
needs_traces = pytest.mark.skipif(not FOLDER, reason="FULLHOUSE_TRACES names no folder of recorded traces")

CROWD = Path(FOLDER, "crowd", "worldcup98_per_minute.csv.gz")
DAY = Path(FOLDER, "audience", "twitch20150101_video_play.csv.gz")
