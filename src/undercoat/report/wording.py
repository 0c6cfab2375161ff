"""Numbers and names as the report writes them, the same in the terminal, the page and the tables."""

from __future__ import annotations

import math

__all__ = [
    "count",
    "data_name",
    "duration",
    "fraction",
    "interval",
    "listed",
    "number",
    "readout_name",
    "signed",
    "significant",
    "span",
]

MINUS = "\N{MINUS SIGN}"
_ROUNDING = 1e-9
READOUTS = {"knn": "k-NN", "linear": "linear", "fine_tune": "fine-tuning"}
METRICS = {"auroc": "AUROC", "dice": "Dice", "iou": "IoU"}


def number(value: object) -> float | None:
    """Return a finite float, or None for anything else (a missing, textual or not-a-number value).

    Example:
        >>> number(3), number("3"), number(float("nan")), number(True)
        (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def fraction(value: float | None) -> str:
    """Write a fraction in 0..1 with three decimals."""
    return "–" if number(value) is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """Write a difference with its sign; more decimals where three would show zero for something that is not.

    Example:
        >>> signed(0.0412), signed(-0.02), signed(0.0004), signed(0.0), signed(-5e-18)
        ('+0.041', '−0.020', '+0.0004', '0.000', '0.000')
    """
    if value is None or number(value) is None:
        return "–"
    size = abs(value) if abs(value) > _ROUNDING else 0.0  # equal means, summed in another order
    decimals = 3 if size == 0 or round(size, 3) > 0 else min(8, math.ceil(-math.log10(size)))
    sign = "" if size == 0 else (MINUS if value < 0 else "+")
    return f"{sign}{size:.{decimals}f}"


def significant(value: float) -> str:
    """Write four significant digits, trailing zeros kept so that a column of them lines up.

    Example:
        >>> significant(0.46), significant(5.5021), significant(1234.0)
        ('0.4600', '5.502', '1234')
    """
    return f"{value:#.4g}".rstrip(".")


def span(low: float | None, high: float | None) -> str:
    """Write the two ends of an interval of a value, or an empty string without them."""
    return "" if low is None or high is None else f"{fraction(low)} … {fraction(high)}"


def interval(low: float | None, high: float | None) -> str:
    """Write the two ends of an interval of a difference, or an empty string without them."""
    return "" if low is None or high is None else f"{signed(low)} … {signed(high)}"


def count(value: float | None) -> str:
    """Write a whole number with thousands separators.

    Example:
        >>> count(19200)
        '19,200'
    """
    return "–" if number(value) is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Write seconds as a person would say them.

    Example:
        >>> duration(42), duration(75), duration(7330)
        ('42 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds is None or number(seconds) is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def readout_name(readout: str, metric: str = "accuracy") -> str:
    """Name a readout as people say it; accuracy goes without saying.

    Example:
        >>> readout_name("knn"), readout_name("linear", "auroc")
        ('k-NN', 'linear AUROC')
    """
    name = READOUTS.get(readout, readout.replace("_", " "))
    return name if metric == "accuracy" else f"{name} {METRICS.get(metric, metric.replace('_', ' '))}"


def data_name(spec: str) -> str:
    """Name data as people call them: a sample without the word, a path by its last part, neither with its options.

    Example:
        >>> data_name("sample:twemoji"), data_name("/data/scans/labels.csv"), data_name("scans?limit=100")
        ('twemoji', 'labels.csv', 'scans')
    """
    return spec.partition("?")[0].removeprefix("sample:").rstrip("/").rpartition("/")[2]


def listed(parts: list[str]) -> str:
    """Join with commas and a final "and".

    Example:
        >>> listed(["a"]), listed(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
