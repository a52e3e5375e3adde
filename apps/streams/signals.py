"""What streams tells the floors above, each sent once, after its transaction has committed.

Every signal carries `stream`. `stream_changed` also carries `previous_category_id`, for who keeps lists by category.
"""

from django.dispatch import Signal

stream_started = Signal()
stream_ended = Signal()
stream_changed = Signal()
