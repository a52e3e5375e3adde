"""The ASGI application that the tests of `serve` run: it shows what the server does, and waits when told to.

The drain holds until the file PROBE_RELEASE exists, so that a test looks at a draining server for as long as it likes.
"""

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from apps.realtime import lifecycle
from tests.services.waiting import NeverHappened, eventually_async

RELEASE = Path(os.environ["PROBE_RELEASE"])
leaving = asyncio.Event()
sockets: set[Any] = set()


async def released(*, deadline: float) -> None:
    """Wait for the file."""

    async def is_there() -> bool:
        return RELEASE.exists()  # noqa: ASYNC240  one look at a local file

    await eventually_async(is_there, deadline=deadline, every=0.02)


async def drain(deadline: float) -> None:
    """Tell every socket, then hold until released."""
    for send in list(sockets):
        await send({"type": "websocket.send", "text": "leave"})
    leaving.set()
    with contextlib.suppress(NeverHappened):
        await released(deadline=deadline - asyncio.get_running_loop().time())


lifecycle.on_drain(drain)


def socket_options(port: int) -> dict[str, int]:
    """Options of the listening socket on ``port``, which every accepted socket inherits."""
    for entry in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{entry}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry))) as sock:
                if sock.family != socket.AF_INET or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    continue
                if sock.getsockname()[1] == port:
                    level = socket.SOL_SOCKET
                    return {
                        "reuse_port": sock.getsockopt(level, socket.SO_REUSEPORT),
                        "receive": sock.getsockopt(level, socket.SO_RCVBUF),
                        "send": sock.getsockopt(level, socket.SO_SNDBUF),
                        "no_delay": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                    }
        except OSError:
            continue  # closed meanwhile: it was the one that lists the folder
    return {}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """/pid, /draining, /options, /hold, and any WebSocket."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        sockets.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        sockets.discard(send)
        return
    answers: dict[str, Any] = {
        "/pid": os.getpid(),
        "/draining": lifecycle.is_draining(),
        "/options": socket_options(scope["server"][1]),
        "/role": os.environ.get("FULLHOUSE_ROLE", ""),
    }
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    if scope["path"] == "/hold":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await leaving.wait()
        await released(deadline=60)
        await send({"type": "http.response.body", "body": b" and finished"})
        return
    await send({"type": "http.response.body", "body": json.dumps(answers.get(scope["path"])).encode()})
