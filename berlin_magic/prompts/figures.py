"""Describe figures and images as images: matplotlib, plotly, altair, Pillow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from berlin_magic.messages import ImagePart, TextPart
from berlin_magic.prompts.cutting import cut_middle, on_one_line
from berlin_magic.prompts.description import Bounds, Description, Limit, families
from berlin_magic.prompts.images import image_of, image_of_pillow, most_pixels
from berlin_magic.prompts.structures import Outline

__all__ = ["describe_figure"]


def describe_figure(value: Any, level: Limit, bounds: Bounds) -> Description | None:
    """Return the description of `value` if it is a figure or an image of a library that is known here.

    At the level ``schema`` it is drawn by nobody, and its titles are data. Whatever a library needs to draw its own
    figure (altair: vl-convert, plotly: kaleido), it imports itself.
    """
    classes = families(value)
    describe = next((describe for class_, describe in _DESCRIBERS.items() if class_ in classes), None)
    return None if describe is None else describe(value, level, bounds)


def _matplotlib(figure: Any, level: Limit, bounds: Bounds) -> Description:
    figure = getattr(figure, "figure", None) or figure  # a part of a figure is drawn with the whole
    width, height = (float(side) for side in figure.get_size_inches())
    dpi = float(figure.dpi)
    axes = figure.axes
    kind = f"figure (matplotlib), {round(width * dpi)} × {round(height * dpi)} pixels, {len(axes)} axes"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    titles = [text for one in axes if (text := _titles(one))]
    if figure.get_suptitle():
        titles.insert(0, repr(figure.get_suptitle()))
    # As Jupyter shows it, with what is drawn outside of its edges; a text far outside would make an enormous image.
    box = figure.get_tightbbox()
    tight = 0 < box.width * box.height <= 4 * width * height
    if tight:
        width, height = box.width + 0.2, box.height + 0.2
    dpi = min(dpi, math.sqrt(most_pixels(bounds.image_tokens) / (width * height)))
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight" if tight else None)
    return _drawn(kind, titles, buffer.getvalue(), level, bounds)


def _titles(axes: Any) -> str:
    labels = {"x": axes.get_xlabel(), "y": axes.get_ylabel()}
    named = ", ".join(f"{name} is {text!r}" for name, text in labels.items() if text)
    title = repr(axes.get_title()) if axes.get_title() else ""
    return f"{title} ({named})" if title and named else title or named


def _plotly(figure: Any, level: Limit, bounds: Bounds) -> Description:
    types = Counter(str(trace.type) for trace in figure.data)
    traces = ", ".join(name if count == 1 else f"{count} {name}" for name, count in types.items())
    kind = f"figure (plotly), traces: {traces or 'none'}"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    try:
        data = figure.to_image(format="png")
    except Exception:  # noqa: BLE001 - kaleido or a browser is missing, or fails in ways of its own
        layout = {name: part for name, part in figure.layout.to_plotly_json().items() if name != "template"}
        specification = {"data": [trace.to_plotly_json() for trace in figure.data], "layout": layout}
        return _written(kind, specification, level, bounds, "not drawn: plotly needs kaleido for it")
    return _drawn(kind, [], data, level, bounds)


def _altair(chart: Any, level: Limit, bounds: Bounds) -> Description:
    mark = getattr(chart, "mark", None)
    mark = mark if isinstance(mark, str) else getattr(mark, "type", None)
    kind = "chart (altair)" + (f", mark: {mark}" if isinstance(mark, str) and mark.isalpha() else "")
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    try:
        buffer = BytesIO()
        chart.save(buffer, format="png")
    except Exception:  # noqa: BLE001 - vl-convert is missing, or there are too many rows, or it fails in its own way
        parts = getattr(chart, "_kwds", {})
        return _written(kind, parts, level, bounds, "not drawn: altair needs vl-convert for it")
    return _drawn(kind, [], buffer.getvalue(), level, bounds)


def _pillow(image: Any, level: Limit, bounds: Bounds) -> Description:
    kind = f"image (Pillow), {image.width} × {image.height} pixels, {image.mode}"
    if level == "schema":
        return Description(kind, (TextPart(kind),), level)
    part, note = image_of_pillow(image, bounds.image_tokens)
    return Description(kind, (TextPart(kind), part), level, note)


def _drawn(kind: str, titles: list[str], data: bytes, level: Limit, bounds: Bounds) -> Description:
    image, note = image_of(data, bounds.image_tokens)
    text, cut = cut_middle("; ".join([kind, *(on_one_line(title, 200) for title in titles)]), bounds.text)
    parts: tuple[TextPart | ImagePart, ...] = (TextPart(text),) if image is None else (TextPart(text), image)
    return Description(kind, parts, level, note or cut)


def _written(kind: str, parts: Any, level: Limit, bounds: Bounds, note: str) -> Description:
    """Return the description of a figure that can't be drawn: what it is made of."""
    shown = {name: part for name, part in parts.items() if "Undefined" not in type(part).__name__}
    text, cut = cut_middle(Outline(bounds, _nothing).of(shown), bounds.text)
    return Description(kind, (TextPart(f"{kind}\n{text}"),), level, f"{note}; {cut}" if cut else note)


def _nothing(_value: Any) -> None:
    """Leave an item to its repr."""


def _matplotlib_part(part: Any, level: Limit, bounds: Bounds) -> Description:
    return _matplotlib(part.figure, level, bounds)


_DESCRIBERS: Mapping[tuple[str, str], Callable[[Any, Limit, Bounds], Description]] = {
    ("matplotlib", "Figure"): _matplotlib,
    ("matplotlib", "SubFigure"): _matplotlib,
    ("matplotlib", "Axes"): _matplotlib_part,
    ("seaborn", "Grid"): _matplotlib_part,
    ("plotly", "BaseFigure"): _plotly,
    ("altair", "TopLevelMixin"): _altair,
    ("PIL", "Image"): _pillow,
}
"""By the library and the name of the class."""
