"""Dashboards as SVG pictures, from answers of Elasticsearch: to be looked at. Text is measured roughly; nothing here is Kibana's code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from tests.dashboards.searches import MISSING, Rows

COLUMN, ROW, GAP = 27, 21, 6  # pixels of a grid column and row, and between panels
COLORS = (
    "#54b399",
    "#6092c0",
    "#d36086",
    "#9170b8",
    "#ca8eae",
    "#d6bf57",
    "#b9a888",
    "#da8b45",
    "#aa6556",
    "#e7664c",
    "#1ea593",
    "#2b70f7",
    "#ce0060",
    "#38007e",
)
FONT = "font-family='Inter, Helvetica, Arial, WenQuanYi Zen Hei, Noto Sans CJK SC, sans-serif'"
WIDTHS = ((0.24, "ijl'|!"), (0.3, " ,.:;ftI/()[]"), (0.36, "r-"), (0.72, "CDHNRUwGOQ"), (0.86, "mMW@%…"), (0.66, "ABEKPSVXY"))  # of a letter's height
INK, PALE, LINE, PAPER = "#343741", "#69707d", "#d3dae6", "#ffffff"


def width_of(text: str, size: float) -> float:
    """About what a sans serif takes."""
    return size * sum(1 if ord(c) > 0x2E80 else next((width for width, letters in WIDTHS if c in letters), 0.56) for c in text)


def round_above(value: float) -> float:
    """A number that is no less, and whose quarters are easy to read."""
    if value <= 0:
        return 1
    unit = 10 ** math.floor(math.log10(value / 4))
    return next(4 * each * unit for each in (1, 2, 2.5, 5, 10) if 4 * each * unit >= value * 0.999999)


def cut(text: str, size: float, room: float) -> str:
    """What fits."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(text + "…", size) > room:
        text = text[:-1]
    return text + "…"


def words(x: float, y: float, text: str, size: float = 11, color: str = INK, anchor: str = "start", *, bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' fill='{color}' text-anchor='{anchor}'{weight}>{escape(text)}</text>"


def box(x: float, y: float, w: float, h: float, fill: str, stroke: str = "none", radius: float = 0) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(w, 0):.1f}' height='{max(h, 0):.1f}' fill='{fill}' stroke='{stroke}' rx='{radius}'/>"


def brightness(color: str) -> float:
    """Of #rrggbb, from 0 to 1."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 0.3 * red + 0.59 * green + 0.11 * blue


def number(value: Any, form: str = "") -> str:
    """A number as Kibana's formats show it."""
    if value is None:
        return "-"
    if form == "bytes":
        for unit in ("B", "KB", "MB", "GB"):
            if abs(value) < 1024 or unit == "GB":
                return f"{value:.0f}B" if unit == "B" else f"{value:.1f}{unit}"
            value /= 1024
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def moment(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%b %d, %H:%M:%S")


def cell(value: Any, kind: str, form: str) -> str:
    if isinstance(value, list):
        return ", ".join(cell(each, kind, form) for each in value) or "-"
    if value == MISSING:
        return "(empty)"
    if kind == "date" and isinstance(value, int | float):
        return moment(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value, form)
    return "-" if value is None else str(value)


class Canvas:
    """One panel's room."""

    def __init__(self, x: float, y: float, w: float, h: float, lang: str) -> None:
        self.x, self.y, self.w, self.h, self.lang = x, y, w, h, lang
        self.parts: list[str] = []

    def nothing(self) -> None:
        text = "没有结果" if self.lang == "zh" else "No results found"
        self.parts.append(words(self.x + self.w / 2, self.y + self.h / 2, text, 12, PALE, "middle"))

    def metric(self, title: str, value: Any, form: str, color: str) -> None:
        self.parts.append(box(self.x - 8, self.y - 8, self.w + 16, self.h + 16, color or PAPER, LINE, 4))
        ink = PAPER if color and brightness(color) < 0.62 else INK
        self.parts.append(words(self.x + 2, self.y + 14, cut(title, 12, self.w), 12, ink, bold=True))
        self.parts.append(words(self.x + self.w, self.y + self.h - 4, number(value, form), 34, ink, "end", bold=True))

    def table(self, rows: Rows) -> None:
        texts = [[cell(value, kind, form) for value, kind, form in zip(row, rows.types, rows.formats, strict=True)] for row in rows.rows]
        most = int((self.h - 24) // 18)
        widths = [max([width_of(label, 11), *(width_of(row[place], 11) for row in texts[:most])]) + 14 for place, label in enumerate(rows.labels)]
        if sum(widths) > self.w:  # the widest give way
            limit = max(widths)
            while sum(min(each, limit) for each in widths) > self.w and limit > 30:
                limit -= 1
            widths = [min(each, limit) for each in widths]
        else:
            widths = [each * self.w / sum(widths) for each in widths]
        starts = [self.x + sum(widths[:place]) for place in range(len(widths))]
        for start, label, width in zip(starts, rows.labels, widths, strict=True):
            self.parts.append(words(start, self.y + 12, cut(label, 11, width - 6), 11, INK, bold=True))
        self.parts.append(box(self.x, self.y + 18, self.w, 1, LINE))
        for line, row in enumerate(texts[:most]):
            y = self.y + 32 + 18 * line
            self.parts += [words(start, y, cut(text, 11, width - 6), 11) for start, text, width in zip(starts, row, widths, strict=True)]
        if len(texts) > most:
            self.parts.append(words(self.x + self.w, self.y + self.h + 2, f"{most} / {len(texts)}", 9, PALE, "end"))

    def legend(self, names: Sequence[str], colors: dict[str, str]) -> float:
        """On the right; gives what room is left."""
        width = min(max((width_of(name, 10) for name in names), default=0) + 24, self.w * 0.36)
        for place, name in enumerate(names[: int(self.h // 15)]):
            y = self.y + 10 + 15 * place
            self.parts.append(box(self.x + self.w - width + 4, y - 7, 8, 8, colors[name], radius=4))
            self.parts.append(words(self.x + self.w - width + 16, y, cut(name, 10, width - 16), 10))
        return self.w - width - 6

    def axes(self, left: float, bottom: float, right: float, top: float, low: float, most: float, form: str) -> Iterator[str]:
        for part in range(5):
            y = bottom - (bottom - top) * part / 4
            yield box(left, y, right - left, 0.6, LINE)
            yield words(left - 4, y + 3, number(round(low + (most - low) * part / 4, 2), form), 9, PALE, "end")

    def series(self, rows: Rows, shape: str, first: int, last: int, step: int, colors: dict[str, str]) -> None:
        """Time on the axis. Groups: a name and the time, or the time; one line for each value."""
        data: dict[str, dict[int, float]] = {}
        for row in rows.rows:
            *before, at = row[: rows.groups]
            for place, answer in enumerate(row[rows.groups :]):
                value = answer[0] if isinstance(answer, list) and answer else answer
                if isinstance(value, int | float):
                    name = " › ".join(
                        [cell(each, "string", "") for each in before] + ([rows.labels[rows.groups + place]] if len(row) - rows.groups > 1 or not before else [])
                    )
                    data.setdefault(name, {})[int(at)] = value
        colors = {name: colors.get(name, COLORS[place % len(COLORS)]) for place, name in enumerate(data)}
        room = self.legend(list(data), colors) if len(data) > 1 else self.w
        left, right, bottom, top = self.x + 48, self.x + room, self.y + self.h - 18, self.y + 6
        times = sorted({at for each in data.values() for at in each})
        stacked = shape != "line"
        heights = [sum(each.get(at, 0) for each in data.values()) for at in times] if stacked else [value for each in data.values() for value in each.values()]
        low = min([*heights, 0])
        highest = max([*heights, 0]) or 1
        most = highest if low or rows.formats[-1] == "bytes" else round_above(highest)
        self.parts += self.axes(left, bottom, right, top, low, most, rows.formats[-1])

        def at_x(at: float) -> float:
            return left + (right - left) * (at - first) / max(last - first, 1)

        def at_y(value: float) -> float:
            return bottom - (bottom - top) * (value - low) / ((most - low) or 1)

        for part in range(4):
            at = first + (last - first) * (part + 0.5) / 4
            self.parts.append(words(at_x(at), bottom + 13, datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M:%S"), 9, PALE, "middle"))
        base = dict.fromkeys(times, 0.0)
        for name, each in data.items():
            if stacked:
                for at, value in sorted(each.items()):
                    x0, x1 = max(at_x(at), left), min(at_x(at + step), right)
                    y = at_y(base[at] + value)
                    self.parts.append(box(x0 + 0.4, y, x1 - x0 - 0.8, at_y(base[at]) - y, colors[name]))
                    base[at] += value
            else:
                points = " ".join(f"{at_x(at):.1f},{at_y(value):.1f}" for at, value in sorted(each.items()))
                self.parts.append(f"<polyline points='{points}' fill='none' stroke='{colors[name]}' stroke-width='1.6'/>")
                if len(each) < 40:
                    self.parts += [f"<circle cx='{at_x(at):.1f}' cy='{at_y(value):.1f}' r='2' fill='{colors[name]}'/>" for at, value in each.items()]

    def bars(self, rows: Rows, colors: dict[str, str]) -> None:
        data: dict[str, dict[str, float]] = {}
        for row in rows.rows:
            key = cell(row[0], rows.types[0], "")
            part = cell(row[1], "string", "") if rows.groups > 1 else ""
            data.setdefault(key, {})
            if row[rows.groups]:
                data[key][part] = data[key].get(part, 0) + row[rows.groups]
        data = {key: each for key, each in data.items() if each}
        parts = list(dict.fromkeys(part for each in data.values() for part in each))
        colors = {name: colors.get(name, COLORS[place % len(COLORS)]) for place, name in enumerate(parts)}
        room = self.legend(parts, colors) if rows.groups > 1 else self.w
        label = min(max((width_of(key, 10) for key in data), default=0) + 6, room * 0.45)
        most = max((sum(each.values()) for each in data.values()), default=1) or 1
        height = min(self.h / max(len(data), 1), 26)
        for place, (key, each) in enumerate(data.items()):
            y, x = self.y + height * place, self.x + label
            self.parts.append(words(x - 5, y + height / 2 + 3, cut(key, 10, label - 6), 10, INK, "end"))
            for part, value in each.items():
                w = (room - label - 40) * value / most
                self.parts.append(box(x, y + height * 0.15, w, height * 0.7, colors[part]))
                x += w
            self.parts.append(words(x + 4, y + height / 2 + 3, number(sum(each.values()), rows.formats[-1]), 9, PALE))

    def pie(self, rows: Rows, colors: dict[str, str]) -> None:
        data = {" › ".join(cell(each, kind, "") for each, kind in zip(row[: rows.groups], rows.types, strict=False)): row[rows.groups] for row in rows.rows}
        data = {key: value for key, value in data.items() if value}
        colors = {name: colors.get(name, COLORS[place % len(COLORS)]) for place, name in enumerate(data)}
        room = self.legend(list(data), colors)
        cx, cy = self.x + room / 2, self.y + self.h / 2
        radius = min(room, self.h) / 2 - 6
        total, angle = sum(data.values()), -math.pi / 2
        for name, value in data.items():
            turn = 2 * math.pi * value / total
            end = angle + min(turn, 2 * math.pi - 1e-4)
            points = [(cx + r * math.cos(a), cy + r * math.sin(a)) for r, a in ((radius, angle), (radius, end), (radius * 0.55, end), (radius * 0.55, angle))]
            (ax, ay), (bx, by), (dx, dy), (ex, ey) = points
            large = int(turn > math.pi)
            self.parts.append(
                f"<path d='M{ax:.1f} {ay:.1f}A{radius:.1f} {radius:.1f} 0 {large} 1 {bx:.1f} {by:.1f}L{dx:.1f} {dy:.1f}"
                f"A{radius * 0.55:.1f} {radius * 0.55:.1f} 0 {large} 0 {ex:.1f} {ey:.1f}Z' fill='{colors[name]}' stroke='white'/>"
            )
            middle = angle + turn / 2
            if turn > 0.25:
                self.parts.append(words(cx + radius * 0.78 * math.cos(middle), cy + radius * 0.78 * math.sin(middle) + 3, number(value), 9, PAPER, "middle"))
            angle += turn

    def tags(self, rows: Rows) -> None:
        most = max((row[1] for row in rows.rows), default=1)
        x, y, tallest = self.x, self.y + 20.0, 0.0
        for place, row in enumerate(rows.rows):
            size = 12 + 16 * math.sqrt(row[1] / most)
            text = cut(cell(row[0], rows.types[0], ""), size, self.w)
            wide = width_of(text, size) + 14
            if x + wide > self.x + self.w + 14:
                x, y, tallest = self.x, y + tallest + 8, 0.0
            if y > self.y + self.h:
                return
            self.parts.append(words(x, y + 6, text, size, COLORS[place % len(COLORS)]))
            x, tallest = x + wide, max(tallest, size)

    def heatmap(self, rows: Rows) -> None:
        ys, xs = (list(dict.fromkeys(cell(row[place], rows.types[place], "") for row in rows.rows if row[2])) for place in (0, 1))
        if not xs:
            self.nothing()
            return
        most = max(row[2] for row in rows.rows)
        left = min(max(width_of(y, 10) for y in ys) + 8, self.w * 0.4)
        bottom = 28 if all(width_of(name, 9) <= (self.w - left) / len(xs) - 4 for name in xs) else 72
        w, h = (self.w - left) / len(xs), (self.h - bottom) / len(ys)
        for row in rows.rows:
            if not row[2]:
                continue
            x, y = self.x + left + w * xs.index(cell(row[1], rows.types[1], "")), self.y + h * ys.index(cell(row[0], rows.types[0], ""))
            shade = 0.15 + 0.85 * math.log1p(row[2]) / math.log1p(most)
            self.parts.append(f"<rect x='{x + 1:.1f}' y='{y + 1:.1f}' width='{w - 2:.1f}' height='{h - 2:.1f}' fill='#2b70b0' fill-opacity='{shade:.2f}'/>")
            self.parts.append(words(x + w / 2, y + h / 2 + 4, number(row[2]), 10, PAPER if shade > 0.5 else INK, "middle"))
        for place, name in enumerate(ys):
            self.parts.append(words(self.x + left - 5, self.y + h * (place + 0.5) + 3, cut(name, 10, left - 6), 10, INK, "end"))
        is_narrow = any(width_of(name, 9) > w - 4 for name in xs)
        for place, name in enumerate(xs):
            x, y = self.x + left + w * (place + 0.5), self.y + self.h - 14
            if is_narrow:
                text = words(x, y - bottom + 24, cut(name, 9, bottom * 1.6), 9, INK, "end")
                self.parts.append(text.replace("<text", f"<text transform='rotate(-35 {x:.1f} {y - bottom + 24:.1f})'", 1))
            else:
                self.parts.append(words(x, y, name, 9, INK, "middle"))
        self.parts.append(words(self.x + left, self.y + self.h + 2, f"{rows.labels[0]} × {rows.labels[1]}", 9, PALE))

    def paragraph(self, text: str) -> None:
        y = self.y + 12
        for line in text.splitlines():
            rest = line.replace("`", "")
            while rest:
                piece = cut(rest, 11.5, self.w + 8)
                if piece.endswith("…") and not rest.startswith(piece):
                    piece = piece[:-1]
                    piece = piece[: piece.rfind(" ") + 1] or piece
                self.parts.append(words(self.x, y, piece, 11.5))
                rest, y = rest[len(piece) :], y + 16
            y += 5

    def links(self, names: Sequence[str], *, across: bool) -> None:
        x, y = self.x + 4.0, self.y + 14.0
        for name in names:
            self.parts.append(words(x, y, name, 12, "#006bb4"))
            if across:
                x += width_of(name, 12) + 22
            else:
                y += 20


def picture(title: str, panels: Sequence[tuple[dict[str, int], str, Canvas]], note: str) -> str:
    """A whole dashboard. panels: their place in the grid, their title (empty: none is shown) and what is drawn."""
    height = max(grid["y"] + grid["h"] for grid, _, _ in panels) * ROW + 52
    width = 48 * COLUMN + 16
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' {FONT}>",
        box(0, 0, width, height, "#f7f8fc"),
    ]
    parts.append(words(14, 26, title, 18, bold=True) + words(width - 14, 26, note, 10, PALE, "end"))
    for grid, name, canvas in panels:
        x, y, w, h = place(grid)
        parts.append(box(x, y, w, h, PAPER, LINE, 4))
        if name:
            parts.append(words(x + 8, y + 17, cut(name, 12, w - 16), 12, bold=True))
        parts += canvas.parts
    return "\n".join([*parts, "</svg>"]) + "\n"


def place(grid: dict[str, int]) -> tuple[float, float, float, float]:
    return 8 + grid["x"] * COLUMN + GAP / 2, 42 + grid["y"] * ROW + GAP / 2, grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP


def canvas(grid: dict[str, int], lang: str, *, titled: bool) -> Canvas:
    """The room below the title."""
    x, y, w, h = place(grid)
    top = 28 if titled else 8
    return Canvas(x + 8, y + top, w - 16, h - top - 10, lang)
