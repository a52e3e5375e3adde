"""What Fullhouse answers over its public API, read as any outsider would."""

import http.client
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

TIMEOUT_S = 5.0


class ServerUnreachable(Exception):
    """Nothing that speaks HTTP answers at this address."""


class Answers:
    """One kept-alive connection to the API. Blocks; call it in a thread, one call at a time."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(address.netloc, timeout=TIMEOUT_S)

    def check(self) -> None:
        """Raise ServerUnreachable unless the server is up and ready."""
        try:
            status, _ = self._get("/health/ready")
        except (OSError, http.client.HTTPException) as error:
            raise ServerUnreachable(str(error)) from None
        if status != 200:
            raise ServerUnreachable(f"it answers {status} to /health/ready")

    def current(self, stream_ids: Sequence[int]) -> dict[int, int | None]:
        """Viewers now of each stream; None for one without an answer."""
        return {stream_id: self._current(stream_id) for stream_id in stream_ids}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _current(self, stream_id: int) -> int | None:
        try:
            status, body = self._get(f"/api/streams/{stream_id}/viewers")
            return int(json.loads(body)["current"]) if status == 200 else None
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            self._connection.close()  # the next request opens it anew
            return None

    def _get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers={"Accept": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()
