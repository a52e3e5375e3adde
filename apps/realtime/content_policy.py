"""What browsers are told that our pages may load, so that text that slipped in as markup runs nothing.

Here on the ground floor, because pages that do not pass through Django's middleware say it as well.
"""

# Scripts and styles are our own files. Posters and streams come from wherever broadcasters keep them. Sockets are named
# by scheme, because not every browser takes 'self' to mean them.
_OURS = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' https: http: data:",
    "media-src": "https: http:",
    "connect-src": "'self' ws: wss:",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
# Pages that packages bring (the admin, the API's page) have scripts and styles inside, and evaluate expressions in
# attributes. What slipped in there could run, so nothing may be loaded from or sent to elsewhere.
_OF_PACKAGES = {
    "default-src": "'none'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}


def _policy(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


CONTENT_POLICY = _policy(_OURS)
PACKAGES_POLICY = _policy(_OF_PACKAGES)
