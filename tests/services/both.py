"""A mark for tests that hold on a single Redis and on a Cluster alike."""

import pytest

on_both = pytest.mark.parametrize(
    "redis_url", ["single", pytest.param("cluster", marks=pytest.mark.cluster)], indirect=True
)
