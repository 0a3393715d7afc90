"""Figures and images: drawn, scaled to what they may cost, and never shown at level ``schema``."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest

from berlin_magic.messages import ImagePart
from berlin_magic.prompts.describe import describe
from berlin_magic.prompts.description import Bounds, Description
from berlin_magic.prompts.images import image_of, image_tokens, size_of

Image = pytest.importorskip("PIL.Image")
figures = pytest.importorskip("matplotlib.figure")


def decoded(found: Description) -> Any:
    (part,) = [part for part in found.parts if isinstance(part, ImagePart)]
    head, _, data = part.url.partition(",")
    picture = Image.open(BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{picture.format.lower()};base64"
    return picture


def red(*size: float, **options: Any) -> Any:
    figure = figures.Figure(figsize=size, facecolor="red", **options)
    axes = figure.subplots()
    axes.plot([1, 2])
    axes.set(title="Growth", xlabel="year")
    return figure


async def test_a_figure_is_an_image_of_itself() -> None:
    found = await describe(red(6.4, 4.8))
    assert found.kind == "figure (matplotlib), 640 × 480 pixels, 1 axes"
    assert "'Growth' (x is 'year')" in found.text
    picture = decoded(found)
    assert picture.convert("RGB").getpixel((2, 2)) == (255, 0, 0)
    assert image_tokens(*picture.size) <= 1600


async def test_axes_stand_for_their_figure() -> None:
    assert decoded(await describe(red(4, 3).axes[0])).size[0] > 300


async def test_a_large_figure_is_drawn_smaller() -> None:
    figure = red(40, 30, dpi=300)
    picture = decoded(await describe(figure))
    assert 1400 < image_tokens(*picture.size) <= 1600
    assert figure.dpi == 300
    assert image_tokens(*decoded(await describe(figure, bounds=Bounds(image_tokens=200))).size) <= 200


async def test_a_text_far_outside_makes_no_enormous_image() -> None:
    figure = red(4, 3)
    figure.axes[0].text(1000, 1000, "far away")
    assert image_tokens(*decoded(await describe(figure)).size) <= 1600


async def test_the_canvas_of_a_figure_stays() -> None:
    figure = red(4, 3)
    canvas = figure.canvas
    await describe(figure)
    assert figure.canvas is canvas


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F", "I;16"])
@pytest.mark.parametrize("size", [(30, 20), (4000, 3000)])
async def test_images_of_every_mode(mode: str, size: tuple[int, int]) -> None:
    found = await describe(Image.new(mode, size))
    assert found.kind == f"image (Pillow), {size[0]} × {size[1]} pixels, {mode}"
    picture = decoded(found)
    assert abs(picture.width / picture.height - size[0] / size[1]) < 0.01
    assert image_tokens(*picture.size) <= 1600
    assert bool(found.cut) == (picture.size != size)


async def test_a_photo_stays_one() -> None:
    buffer = BytesIO()
    Image.new("RGB", (3000, 2000)).save(buffer, "JPEG")
    assert decoded(await describe(Image.open(BytesIO(buffer.getvalue())))).format == "JPEG"


async def test_what_shows_itself_as_a_png_is_scaled() -> None:
    buffer = BytesIO()
    Image.new("RGB", (3000, 2000)).save(buffer, "PNG")

    class Plot:
        def _repr_png_(self) -> Any:
            return base64.b64encode(buffer.getvalue()).decode(), {"width": 3000}

    found = await describe(Plot())
    assert image_tokens(*decoded(found).size) <= 1600 and "scaled from 3000 × 2000" in found.cut


async def test_what_is_no_image_is_left_to_the_repr() -> None:
    class Plot:
        def _repr_png_(self) -> bytes:
            return b"no image"

        def __repr__(self) -> str:
            return "a plot"

    assert (await describe(Plot())).text == "a plot"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("size", [(1, 1), (300, 2)])
def test_sizes_are_read_from_the_header(kind: str, size: tuple[int, int]) -> None:
    buffer = BytesIO()
    Image.new("L", size).save(buffer, kind)
    assert size_of(buffer.getvalue()) == (f"image/{kind.lower()}", *size)
    for cut in range(len(buffer.getvalue())):
        size_of(buffer.getvalue()[:cut])  # raises nothing
    assert size_of(b"") is None and size_of(b"\xff\xd8\xff") is None


def test_without_pillow_a_large_image_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = BytesIO()
    Image.new("L", (3000, 2000)).save(buffer, "PNG")
    monkeypatch.delitem(__import__("sys").modules, "PIL.Image")
    part, note = image_of(buffer.getvalue(), 1600)
    assert part is None and "3000 × 2000" in note and "import PIL.Image" in note


async def test_a_chart_of_altair_is_drawn() -> None:
    altair = pytest.importorskip("altair")
    chart = altair.Chart(altair.Data(values=[{"a": 1, "b": 2}])).mark_bar().encode(x="a:Q", y="b:Q")
    found = await describe(chart, bounds=Bounds(seconds=60))
    assert found.kind == "chart (altair), mark: bar"
    if any(isinstance(part, ImagePart) for part in found.parts):
        assert decoded(found).width > 10
    else:
        assert "vl-convert" in found.cut


async def test_a_figure_of_plotly_is_drawn_or_written_out() -> None:
    go = pytest.importorskip("plotly.graph_objects")
    figure = go.Figure([go.Scatter(x=[1, 2], y=[3, 4]), go.Bar(y=list(range(10_000)))])
    figure.update_layout(title="Growth")
    found = await describe(figure, bounds=Bounds(seconds=60))
    assert found.kind == "figure (plotly), traces: scatter, bar"
    if any(isinstance(part, ImagePart) for part in found.parts):
        assert decoded(found).width > 10
    else:
        assert "kaleido" in found.cut and "Growth" in found.text and len(found.text) < 4200
    assert "Growth" not in (await describe(figure, "schema")).text
