"""Database aliases of the servers that the past is read from."""

from collections.abc import Mapping
from typing import Any

import dj_database_url

# A server that is away must not hold up a page: then the primary is read. mysqlclient's words, in seconds.
PATIENCE = {"connect_timeout": 2, "read_timeout": 20}


def reader_databases(addresses: Mapping[str, str]) -> dict[str, Any]:
    """Settings of one alias a purpose that has an address; what the address says of timeouts stands."""
    aliases: dict[str, Any] = {}
    for purpose, address in addresses.items():
        if address:
            settings: dict[str, Any] = dict(dj_database_url.parse(address))
            if settings["ENGINE"].endswith("mysql"):
                settings["OPTIONS"] = PATIENCE | settings.get("OPTIONS", {})
            aliases[purpose] = settings
    return aliases
