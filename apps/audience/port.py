"""What the audience does for the apps below it: live counts and viewer tokens for streams, sockets for accounts."""

import secrets
from collections.abc import Sequence

from apps.accounts.viewers import ViewerIdentity
from apps.streams.ports import AudienceUnavailable, Counts

from . import removal_services, selectors
from .tokens import viewer_token_make


class AudienceReader:
    """The audience as the streams app sees it."""

    def ranking(self, *, category_id: int | None, offset: int, limit: int) -> list[int]:
        """Ids of live streams, most viewers first."""
        try:
            return selectors.ranking(category_id=category_id, offset=offset, limit=limit)
        except selectors.CountsUnavailable as error:
            raise AudienceUnavailable from error

    def house_viewers(self) -> int | None:
        """How many watch in the whole house."""
        try:
            return selectors.house_viewers()
        except selectors.CountsUnavailable as error:
            raise AudienceUnavailable from error

    def counts(self, stream_ids: Sequence[int]) -> dict[int, Counts]:
        """Viewers, peak and visits of each asked stream."""
        try:
            found = selectors.figures_many(stream_ids)
        except selectors.CountsUnavailable as error:
            raise AudienceUnavailable from error
        return {stream_id: Counts(f.current, f.peak, f.total) for stream_id, f in found.items()}

    def viewer_token(self, *, identity: ViewerIdentity, stream_id: int) -> str:
        """A token for a new tab of this viewer."""
        return viewer_token_make(
            stream_id=stream_id,
            viewer_id=identity.viewer_id,
            session_id=secrets.token_hex(8),
            browser_id=identity.browser_id,
        )


class ViewerSockets:
    """Sockets of viewers as the accounts app sees them."""

    def viewer_disconnect(self, *, viewer_id: str, stream_id: int | None, reason: str) -> None:
        """Close all sockets of a viewer, on one stream or on all."""
        removal_services.viewer_disconnect(viewer_id=viewer_id, stream_id=stream_id, reason=reason)
