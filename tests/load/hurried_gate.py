"""The application that every server runs, with sockets told their place every LOAD_PUSH_S: for gate-ws alone.

`manage.py serve --application tests.load.hurried_gate:application`
"""

import os

from config.asgi import application  # sets Django up

__all__ = ["application"]

from apps.waitingroom import turnstile

turnstile.TURN_S = float(os.environ["LOAD_PUSH_S"])
