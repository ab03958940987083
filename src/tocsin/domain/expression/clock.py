"""Times of day, as expressions write them."""


def seconds_of(text: str) -> int | None:
    """Seconds since midnight of `HH:MM` or `HH:MM:SS`, `24:00` included; None = it is neither."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() and len(part) == 2 for part in parts):
        return None
    hours, minutes, seconds = (int(part) for part in (*parts, "00")[:3])
    total = hours * 3600 + minutes * 60 + seconds
    return total if minutes < 60 and seconds < 60 and total <= 24 * 3600 else None
