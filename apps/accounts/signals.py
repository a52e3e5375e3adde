"""What accounts tells the floors above, each sent once, after its transaction has committed. Both carry `user`."""

from django.dispatch import Signal

user_banned = Signal()
user_unbanned = Signal()
