"""Replays a day of viewers, real or generated, against a running server over real WebSockets."""
