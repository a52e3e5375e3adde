"""Draining: every tab is told to come back, with a token good for another hour; its session stays counted."""

import asyncio
import json
import time
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from apps.audience.runtime import audience_runtime, audience_stop
from apps.audience.tokens import TOKEN_SECONDS, viewer_token_make, viewer_token_read
from apps.realtime.close_codes import SERVICE_RESTART
from config.asgi import application
from tests.audience.stage import Stage
from tests.services.waiting import eventually_async

pytestmark = pytest.mark.asyncio

BROWSER = "b" * 32


async def frames_until_close(tab: WebsocketCommunicator) -> tuple[list[dict[str, Any]], int]:
    frames = []
    while (message := await tab.receive_output(timeout=5))["type"] != "websocket.close":
        frames.append(json.loads(message["text"]))
    return frames, message["code"]


async def test_a_tab_whose_token_is_nearly_over_is_given_a_new_one() -> None:
    stage = Stage(7)
    stage.open()
    almost_over = time.time() - TOKEN_SECONDS + 30
    token = viewer_token_make(stream_id=7, viewer_id="a1", session_id="ab12", browser_id=BROWSER, now=almost_over)

    async def is_counted() -> bool:
        return stage.figures().current == 1

    headers = [(b"cookie", f"fullhouse_viewer={BROWSER}".encode()), (b"origin", b"http://localhost")]
    tab = WebsocketCommunicator(application, f"/ws/streams/7/?token={token}", headers=headers)
    try:
        assert (await tab.connect())[0] is True
        await eventually_async(is_counted)
        runtime = audience_runtime()
        loop = asyncio.get_running_loop()
        drained = loop.create_task(runtime.drain(loop.time() + 3))
        frames, code = await frames_until_close(tab)
        await tab.disconnect()
        await drained
    finally:
        await audience_stop()

    assert (frames[-1]["type"], frames[-1]["within_ms"], code) == ("reconnect", 5000, SERVICE_RESTART)
    claims = viewer_token_read(token=frames[-1]["token"], browser_id=BROWSER, now=time.time() + TOKEN_SECONDS - 60)
    assert (claims.stream_id, claims.viewer_id, claims.session_id) == (7, "a1", "ab12")
    assert stage.figures().current == 1  # its grace is not over
