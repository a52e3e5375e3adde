"""What browsers are told that our pages may load, so that text that slipped in as markup runs nothing.

Here on the ground floor, because pages that do not pass through Django's middleware say it as well.
"""

# Scripts and styles are our own files. Posters and streams come from wherever broadcasters keep them. Sockets are named
# by scheme, because not every browser takes 'self' to mean them.
CONTENT_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' https: http: data:",
        "media-src https: http:",
        "connect-src 'self' ws: wss:",
        "frame-ancestors 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    ]
)
