"""Which rows of viewer_history are readings of a stream; one rule for everything that counts them.

A stream that met no snapshot has one row nevertheless, at the first mark after its end: with nobody watching, so that
its peak and visits are in the history, too. It was not live then, so that is no reading of it.
"""

from django.db.models import Exists, OuterRef, Q

from apps.streams.models import Stream


def is_reading() -> Q:
    """Taken while the stream was live; for filters and aggregates of ViewerHistory.

    Streams are asked for rows without viewers alone, each by its key. A row with viewers is believed: servers' clocks
    differ, and a snapshot is read up to a minute after its mark.
    """
    over = Stream.objects.order_by().filter(pk=OuterRef("stream_id"), ended_at__lte=OuterRef("captured_at"))
    return Q(current__gt=0) | Q(~Exists(over))
