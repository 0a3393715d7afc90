"""Arrays: shape, type, a summary, and the first and last numbers."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from berlin_magic.prompts.arrays import thinned
from berlin_magic.prompts.describe import describe

np = pytest.importorskip("numpy")


async def test_a_small_array_is_shown_whole() -> None:
    found = await describe(np.array([[1, 2], [3, 4]]))
    assert found.text == "ndarray (numpy), 2 × 2 of int64\n1 … 4, mean 2.5\n[[1, 2],\n [3, 4]]"
    assert not found.cut


async def test_missing_numbers_are_counted() -> None:
    assert "1 … 3, mean 2, 1 NaN" in (await describe(np.array([1.0, np.nan, 3.0]))).text
    assert "1 NaN" in (await describe(np.array([np.nan]))).text


@pytest.mark.parametrize("shape", [(10**7,), (10**4, 10**3), (10, 100, 100, 100), (1, 10**7)])
async def test_a_large_array_is_cut_and_thinned(shape: tuple[int, ...]) -> None:
    found = await describe(np.arange(10**7, dtype="float32").reshape(shape))
    assert len(found.text) < 2400
    assert "looked at" in found.text and found.cut == "the middle of 10,000,000 numbers"
    assert len((await describe(np.zeros(shape), "full")).text) < 41_000
    assert len((await describe(np.zeros(shape), "json")).text) < 41_000


@pytest.mark.parametrize(
    "array",
    [
        np.array(5),
        np.array([]),
        np.zeros((3, 0)),
        np.array(["ü", "x"]),
        np.array([None, {"a": 1}], dtype=object),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.array([1 + 2j]),
        np.array([True, False]),
        np.ma.array([1, 2], mask=[True, False]),
        np.array([np.inf, 1.0]),
    ],
    ids=lambda array: str(array.dtype),
)
@pytest.mark.parametrize("level", [None, "schema", "full", "repr"])
async def test_arrays_of_every_kind(array: Any, level: Any) -> None:
    found = await describe(array, level)
    assert found.text and "raised" not in found.cut


async def test_a_number_of_numpy_is_a_number() -> None:
    assert (await describe(np.float64(2.5))).text == "2.5"
    assert (await describe(np.str_("x"))).text == "x"


def test_a_thinned_array_is_a_view() -> None:
    array = np.zeros((1000, 1000, 10))
    few = thinned(array, 10_000)
    assert few.size <= 10_000 and few.base is array
    assert thinned(array, 10**9) is array


async def test_a_tensor_is_known_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        """What this package asks of a tensor of torch, which is too large for a test."""

        __module__ = "torch"
        dtype = "torch.float32"

        def __init__(self, numbers: Any) -> None:
            self._numbers = np.asarray(numbers)
            self.shape = self._numbers.shape

        def __getitem__(self, key: Any) -> Any:
            return type(self)(self._numbers[key])

        def detach(self) -> Any:
            return self

        cpu = float = detach

        def __array__(self, *_args: Any, **_options: Any) -> Any:
            return self._numbers

        def __repr__(self) -> str:
            return "tensor(…)"

    found = await describe(Tensor([[1.0, 2.0]]))
    assert found.text == "Tensor (torch), 1 × 2 of torch.float32\n1 … 2, mean 1.5\ntensor(…)"
    monkeypatch.delitem(sys.modules, "numpy")
    assert (await describe(Tensor([[1.0, 2.0]]))).text.endswith("tensor(…)")
