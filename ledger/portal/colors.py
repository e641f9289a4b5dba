"""The brand's color, made readable: every text has a contrast of 4.5 to its background (WCAG 2.2 AA)."""

_LIGHT, _DARK = "#ffffff", "#161b26"
_ENOUGH = 4.5
_STEPS = 20

Rgb = tuple[int, int, int]


def brand_css(color: str) -> str:
    """A style sheet of the color: as it is behind text, and as text on a light and on a dark page."""
    on = max(("#ffffff", "#000000"), key=lambda text: contrast(text, color))
    light, dark = readable(color, _LIGHT), readable(color, _DARK)
    return (
        f":root {{ --accent: {color}; --on-accent: {on}; --link: {light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ --link: {dark}; }} }}\n"
    )


def readable(color: str, background: str) -> str:
    """The color, mixed with black or white until it can be read on the background."""
    towards = "#000000" if _luminance(_rgb(background)) > 0.5 else "#ffffff"
    for step in range(_STEPS + 1):
        mixed = _mixed(_rgb(color), _rgb(towards), step)
        if contrast(mixed, background) >= _ENOUGH:
            return mixed
    return towards


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colors, 1 to 21, as WCAG defines it."""
    darker, lighter = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))))
    return (lighter + 0.05) / (darker + 0.05)


def _mixed(color: Rgb, towards: Rgb, step: int) -> str:
    parts = ((a * (_STEPS - step) + b * step) // _STEPS for a, b in zip(color, towards, strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _rgb(color: str) -> Rgb:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: Rgb) -> float:
    red, green, blue = (_linear(part / 255) for part in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
