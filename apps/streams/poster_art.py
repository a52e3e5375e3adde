"""The picture of a stream that brings none: the seating plan of a theatre, drawn from the stream's number.

The same number gives the same picture for ever, on every server, with nothing stored. Colours are presentation
attributes and not styles, so a strict Content-Security-Policy lets them pass.
"""

from functools import lru_cache
from math import tau

GOLDEN_ANGLE = 137.508  # neighbouring numbers get colours far apart
WIDTH, HEIGHT = 320, 180
# Where the stage stands: the middle, left and right of the bottom; the middle of the top; the centre of an arena.
STAGES = ((160, 204), (34, 196), (286, 196), (160, -26), (160, 90))


def _mixed(number: int) -> int:
    """Spread consecutive numbers over 32 bits (Knuth's multiplicative hash), so that each choice below differs."""
    return (number * 2_654_435_761) & 0xFFFFFFFF


@lru_cache(maxsize=4096)
def poster_svg(number: int) -> str:
    """SVG of the seating plan that belongs to `number`: rows of seats around a lit stage."""
    mixed = _mixed(number)
    hue = number * GOLDEN_ANGLE % 360
    second = (hue + 35 + mixed % 50) % 360
    stage_x, stage_y = STAGES[(mixed >> 8) % len(STAGES)]
    spacing = 15 + (mixed >> 12) % 8
    seat = 4.2 + (mixed >> 16) % 4 * 0.7
    rows = []
    for row in range(2, 26):
        radius = row * spacing
        if radius > 350:
            break
        # One row in a few is dark, and seats far from the stage fade: a house that is neither empty nor a pattern.
        dark = (mixed >> (row % 20)) % 5 == 0
        opacity = 0.1 if dark else max(0.14, 0.78 - row * spacing / 420)
        rows.append(
            f'<circle cx="{stage_x}" cy="{stage_y}" r="{radius}" pathLength="{round(radius * tau / (seat * 2.3))}"'
            f' stroke-opacity="{opacity:.2f}"/>'
        )
    name = f"house-{number}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="xMidYMid slice" aria-hidden="true">'
        f'<defs><linearGradient id="{name}" x2="0.7" y2="1">'
        f'<stop stop-color="oklch(0.47 0.135 {hue:.0f})"/>'
        f'<stop offset="1" stop-color="oklch(0.26 0.085 {second:.0f})"/>'
        f'</linearGradient><radialGradient id="{name}-light" gradientUnits="userSpaceOnUse"'
        f' cx="{stage_x}" cy="{stage_y}" r="210">'
        f'<stop stop-color="oklch(0.88 0.12 {hue:.0f})" stop-opacity="0.75"/>'
        f'<stop offset="1" stop-color="oklch(0.6 0.13 {hue:.0f})" stop-opacity="0"/></radialGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{name})"/>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#{name}-light)"/>'
        f'<g fill="none" stroke="oklch(0.93 0.07 {second:.0f})" stroke-width="{seat:.1f}" stroke-linecap="round"'
        f' stroke-dasharray="0 1">'
        f"{''.join(rows)}</g></svg>"
    )
