"""From where a request comes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from django.conf import settings

from users.access.authentication import HasHeaders


def client_address(request: HasHeaders) -> str | None:
    """Returns where a request comes from: the connection, or what the proxy says that its connection was.

    A proxy appends the address it sees to X-Forwarded-For, so only the last one is not the client's own invention.
    Without a proxy, in the embedded default, the header means nothing.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.SECURE_PROXY_SSL_HEADER else ""
    for candidate in (forwarded.rpartition(",")[2].strip(), request.META.get("REMOTE_ADDR", "")):
        try:
            return str(ip_address(candidate.partition("%")[0]))
        except ValueError:
            continue
    return None


def network_of(address: str | None) -> str:
    """Returns the network of an address, which says from where and hardly who; "" for none."""
    try:
        length = 24 if ip_address(address or "").version == 4 else 48
    except ValueError:
        return ""
    return str(ip_network(f"{address}/{length}", strict=False))
