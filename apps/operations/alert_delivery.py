"""Handing one message to a channel in bounded time."""

import threading

from django.utils.translation import get_language, override

from .alert_address import (
    Address,
    AddressRefused,
    AddressSealed,
    address_open,
    address_parse,
    address_reach,
    without_secrets,
)

# In all. A service that answers a byte at a time would go on for ever: timeouts of sockets are of each byte.
SEND_S = 15.0
ERROR_KEPT = 300


class DeliveryFailed(Exception):
    """The message was not taken, or nobody knows; the text says why and holds no secret of the address."""


def deliver(*, sealed: str, title: str, body: str, severity: str) -> None:
    """Send a message to the address, of this severity or "" for good news; DeliveryFailed unless taken in SEND_S."""
    try:
        address = address_parse(address_open(sealed))
    except (AddressSealed, AddressRefused) as error:
        raise DeliveryFailed(str(error)) from error
    sending = _Sending(address, title, body, severity)
    sending.start()
    sending.join(SEND_S)
    if sending.error is not None:
        raise DeliveryFailed(without_secrets(sending.error, address.url)[:ERROR_KEPT])


class _Sending(threading.Thread):
    """One message on its way. It is left to itself when it takes too long."""

    def __init__(self, address: Address, title: str, body: str, severity: str) -> None:
        super().__init__(name="alert-delivery", daemon=True)
        self._address, self._title, self._body, self._severity = address, title, body, severity
        self._language = get_language()  # of who reads why it failed; a thread has one of its own
        self.error: str | None = f"no answer within {SEND_S:g} s"

    def run(self) -> None:
        from .alert_apprise import message_send

        service, text = self._address.service, {"title": self._title, "body": self._body}
        try:
            with override(self._language):
                address_reach(self._address)  # name servers may be what does not answer
        except AddressRefused as refused:
            self.error = str(refused)
            return
        try:
            self.error = message_send(service, **text, severity=self._severity)
        except Exception as error:  # of a service's own: whatever it is, the message was not taken
            self.error = f"{type(error).__name__}: {error}"
