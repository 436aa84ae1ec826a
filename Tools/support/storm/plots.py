"""Line plots as SVG, written by hand."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 920, 560
LEFT, RIGHT, TOP, BOTTOM = 90, 310, 50, 60
COLOURS = (
    "#0b6bcb", "#d1495b", "#2e933c", "#8e44ad", "#e08e0b", "#00798c", "#5d4037", "#555555",
    "#c2185b", "#7cb342")


class Series:
    def __init__(self, name, points, is_dashed=False, colour=None):
        self.name, self.is_dashed, self.colour = name, is_dashed, colour
        self.points = sorted(
            (x, y) for x, y in points if x is not None and y is not None and x > 0 and y > 0)


class Axis:
    """A logarithmic axis over the values, from `low` to `high` on the page."""

    def __init__(self, values, low, high):
        self.first = math.floor(math.log10(min(values)) * 2) / 2
        self.last = math.ceil(math.log10(max(values)) * 2) / 2
        if self.last <= self.first:
            self.first, self.last = self.first - 0.5, self.last + 0.5
        self.low, self.high = low, high

    def at(self, value):
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return round(self.low + share * (self.high - self.low), 1)

    def ticks(self):
        decades = self.last - self.first
        steps = (1, 2, 5) if decades <= 2.5 else (1,)
        values = [
            step * 10.0**power for power in range(math.floor(self.first), math.ceil(self.last) + 1)
            for step in steps]
        return [one for one in values if self.first - 1e-9 <= math.log10(one) <= self.last + 1e-9]


def short(value):
    """1.5M for 1500000."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _text(x, y, text, more=""):
    return f'<text x="{x}" y="{y}" {more}>{escape(text)}</text>'


def _frame(title, x_label, y_label, x_axis, y_axis):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [_text(LEFT, 28, title, 'font-size="17" font-weight="bold"')]
    for value in x_axis.ticks():
        x = x_axis.at(value)
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="#dddddd"/>')
        parts.append(_text(x, bottom + 18, short(value), 'text-anchor="middle"'))
    for value in y_axis.ticks():
        y = y_axis.at(value)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 8, y + 4, short(value), 'text-anchor="end"'))
    parts.append(
        f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" '
        'fill="none" stroke="#333333"/>')
    parts.append(_text((LEFT + right) / 2, HEIGHT - 16, x_label, 'text-anchor="middle"'))
    middle = (TOP + bottom) / 2
    parts.append(_text(
        22, middle, y_label, f'text-anchor="middle" transform="rotate(-90 22 {middle})"'))
    return parts


def _line(series, colour, x_axis, y_axis):
    places = [(x_axis.at(x), y_axis.at(y)) for x, y in series.points]
    path = " ".join(f"{x},{y}" for x, y in places)
    dash = ' stroke-dasharray="6 4"' if series.is_dashed else ""
    parts = []
    if len(places) > 1:
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in places]
    return parts


def _key(number, series, colour):
    y = TOP + 12 + number * 21
    x = WIDTH - RIGHT + 14
    dash = ' stroke-dasharray="6 4"' if series.is_dashed else ""
    return [
        f'<line x1="{x}" y1="{y}" x2="{x + 26}" y2="{y}" stroke="{colour}" stroke-width="2"'
        f'{dash}/>', _text(x + 32, y + 4, series.name, 'font-size="11"')]


def chart(title, x_label, y_label, all_series):
    """The SVG text of a plot with two logarithmic axes; None if there is nothing to plot."""
    drawn = [series for series in all_series if series.points]
    if not drawn:
        return None
    x_axis = Axis([x for one in drawn for x, _ in one.points], LEFT, WIDTH - RIGHT)
    y_axis = Axis([y for one in drawn for _, y in one.points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    parts += _frame(title, x_label, y_label, x_axis, y_axis)
    for number, series in enumerate(drawn):
        colour = series.colour or COLOURS[number % len(COLOURS)]
        parts += _line(series, colour, x_axis, y_axis)
        parts += _key(number, series, colour)
    return "\n".join(parts + ["</svg>"]) + "\n"
