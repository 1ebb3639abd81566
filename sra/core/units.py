"""How costs are written for people: counts, sizes and times in units that keep three digits, in aligned tables."""

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 365 * 86_400
# Below how many seconds a length of time is given in which two units.
DURATIONS = {
    90 * 60: ((60, "m"), (1, "s")),
    2 * DAY: ((HOUR, "h"), (60, "m")),
    2 * YEAR: ((DAY, "d"), (HOUR, "h")),
    10_000 * YEAR: ((YEAR, "y"), (DAY, "d")),
}
NAME_WIDTH = 14  # at least


def text_table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table with names to the left, numbers to the right; a last column without a heading holds notes, to the left."""
    notes = columns[-1] == ""
    numbers = len(columns) - notes
    named = [(title, *columns), *((f"  {row[0]}", *row[1:]) for row in rows)]
    first = max(NAME_WIDTH, *(len(row[0]) for row in named))
    widths = [max(len(row[column]) for row in [("", *columns), *rows]) for column in range(1, 1 + numbers)]
    lines = []
    for name, *cells in named:
        line = f"{name:<{first}}" + "".join(f"{cell:>{max(width, 8) + 2}}" for cell, width in zip(cells, widths, strict=False))
        lines.append((line + (f"   {cells[-1]}" if notes else "")).rstrip())
    return "\n".join(lines)


def grouped(count: int) -> str:
    """A count with spaces: 1234567 -> "1 234 567"."""
    return f"{count:,}".replace(",", " ")


def several(count: int, one: str, many: str | None = None) -> str:
    """A count and its noun: 1 -> "1 image", 2 -> "2 images"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def decimal(value: float) -> str:
    """A number with a decimal prefix: 1960000 -> "1.96 M"; the unit follows."""
    return _scaled(value, 1000, ("", "K", "M", "G", "T", "P"))


def binary(size: float) -> str:
    """A size with a binary prefix: 3221225472 -> "3.00 GiB"."""
    return _scaled(size, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def three_digits(value: float) -> str:
    """A number such as 0.25, 12.5 or 1 234: at least three digits, at most two of them after the point."""
    return grouped(round(value)) if value >= 99.95 else f"{value:.{1 + (value < 9.995)}f}"


def watt_hours(joules: float) -> str:
    """An energy: 7200 -> "2.00 Wh"."""
    return _scaled(joules / HOUR, 1000, ("Wh", "kWh", "MWh", "GWh"))


def duration(seconds: float) -> str:
    """A length of time, such as 9 s, 12 m 5 s, 26 h 30 m, 5 d 3 h or 288 y 4 d."""
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole} s"
    limit = min((limit for limit in DURATIONS if whole < limit), default=max(DURATIONS))
    (large, unit), (small, rest) = DURATIONS[limit]
    return f"{whole // large} {unit} {whole % large // small} {rest}"


def _scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    """Three digits and the unit that leaves fewer than four before the point."""
    place = 0
    while value >= 999.5 and place < len(units) - 1:
        value, place = value / base, place + 1
    return f"{value:.{(value < 9.995) + (value < 99.95)}f} {units[place]}"
