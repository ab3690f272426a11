"""How the report prints its numbers."""

from __future__ import annotations

from eval.report.blocks import Form, Value

#: in place of a value that there is none of
NOTHING = "–"
_MINUS = "−"


def number_text(value: float | None, form: Form, *, unit: bool = True) -> str:
    if value is None:
        return NOTHING
    match form:
        case "share":
            return f"{value * 100:.{0 if value in (0, 1) else 1}f}" + ("%" if unit else "")
        case "points":
            text = f"{value * 100:+.{0 if not unit else 1}f}".replace("-", _MINUS)
            return ("0" if not float(text.replace(_MINUS, "-")) else text) + (" points" if unit else "")
        case "seconds":
            return (f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s") if unit else f"{value:.2f}"
        case "count":
            return f"{value:,.0f}"
        case "chance":
            return "< 0.001" if value < 0.001 else f"{value:.3f}"
        case "number":
            return f"{value:.3f}".replace("-", _MINUS)


def tick_text(value: float, form: Form) -> str:
    """For an axis: round numbers, no more digits than needed."""
    match form:
        case "share":
            return f"{value * 100:.0f}%"
        case "points":
            return number_text(value, "points", unit=False)
    return f"{value:g}"


def interval_text(value: Value) -> str:
    """Such as ``71% to 80%``; empty without an interval."""
    if value.low is None or value.high is None:
        return ""
    low, high = (number_text(bound, value.form, unit=value.form not in ("points", "share")) for bound in (value.low, value.high))
    return f"{low} to {high}{'%' if value.form == 'share' else ''}"


def value_text(value: Value) -> str:
    """The number and its interval."""
    interval = interval_text(value)
    return number_text(value.value, value.form) + (f" ({interval})" if interval else "")
