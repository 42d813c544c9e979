"""Whether tensors read from disk can be the columns of a data set."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.errors import InputError
from workbench.schema import FeatureSlot, Schema, Side, TableLayout

_SIDES = {Side.USER: "user_rows", Side.ITEM: "item_rows", Side.CONTEXT: "context_rows"}
_SPLITS = ("split.train", "split.valid", "split.test")
PROBABILITY = "truth.probability"


def check_tensors(
    tensors: dict[str, Tensor], schema: Schema, layout: TableLayout, place: str
) -> None:
    """Check names, types, shapes and ranges, so that no later step can read out of bounds.

    Args:
        tensors: user_rows, item_rows, context_rows, users, items, labels, counts, split.train,
            split.valid, split.test and, for a planted world, truth.probability.
        schema, layout: what the tensors must fit.
        place: the file, for errors.

    Raises:
        InputError: names the tensor and what is wrong with it.
    """
    try:
        _check_shapes(tensors, schema, layout)
        _check_values(tensors)
        _check_splits(tensors)
        _check_rows(tensors, layout)
    except _Misfit as misfit:
        raise InputError(f"{place}: tensor {misfit}") from None


class _Misfit(Exception):  # noqa: N818 - not an error by itself: becomes an `InputError`
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"'{name}' {reason}")


def _check_shapes(tensors: dict[str, Tensor], schema: Schema, layout: TableLayout) -> None:
    # Type and columns of each tensor; None is a vector.
    expected: dict[str, tuple[torch.dtype, int | None]] = {
        "users": (torch.int32, None),
        "items": (torch.int32, None),
        "labels": (torch.uint8, len(schema.labels)),
        "counts": (torch.float32, len(schema.counts)),
        **dict.fromkeys(_SPLITS, (torch.int64, None)),
    }
    for side, name in _SIDES.items():
        slots = [slot for slot in layout.slots if slot.side is side]
        expected[name] = (torch.int32, sum(slot.stop - slot.start for slot in slots))
    for name in sorted(expected.keys() - tensors.keys()):
        raise _Misfit(name, "is missing")
    expected[PROBABILITY] = (torch.float32, None)
    for name, tensor in tensors.items():
        if name not in expected:
            raise _Misfit(name, "is not known")
        dtype, columns = expected[name]
        wanted = ("any",) if columns is None else ("any", columns)
        if tensor.dtype != dtype or ("any", *tensor.shape[1:]) != wanted:
            found = f"{tensor.dtype} {tuple(tensor.shape)}"
            raise _Misfit(name, f"is {found}; needed: {dtype} ({', '.join(map(str, wanted))})")


def _check_values(tensors: dict[str, Tensor]) -> None:
    samples = len(tensors["users"])
    for name in ("items", "context_rows", "labels", "counts", PROBABILITY):
        if name in tensors and len(tensors[name]) != samples:
            raise _Misfit(name, f"has {len(tensors[name])} samples; 'users' has {samples}")
    for name, entities in (("users", "user_rows"), ("items", "item_rows")):
        if not _within(tensors[name], 0, len(tensors[entities])):
            raise _Misfit(name, f"points outside '{entities}'")
    if not _within(tensors["labels"], 0, 2):
        raise _Misfit("labels", "has a value other than 0 and 1")
    counts = tensors["counts"]
    if not bool((torch.isfinite(counts) & (counts >= 0)).all()):
        raise _Misfit("counts", "has a value that is negative or not finite")
    probability = tensors.get(PROBABILITY)
    if probability is not None and not bool(((probability >= 0) & (probability <= 1)).all()):
        raise _Misfit(PROBABILITY, "has a value outside 0..1")


def _check_splits(tensors: dict[str, Tensor]) -> None:
    samples = len(tensors["users"])
    taken = torch.zeros(samples, dtype=torch.bool)
    for name in _SPLITS:
        index = tensors[name]
        if not len(index) or not _within(index, 0, samples):
            raise _Misfit(name, "is empty or points outside the samples")
        before = int(taken.sum())
        taken[index] = True
        if int(taken.sum()) != before + len(index):
            raise _Misfit(name, "repeats a sample of this or another split")


def _check_rows(tensors: dict[str, Tensor], layout: TableLayout) -> None:
    before = 0
    for side, name in _SIDES.items():
        for slot in layout.slots:
            if slot.side is side:
                columns = tensors[name][:, slot.start - before : slot.stop - before]
                if not _fits(columns, slot):
                    raise _Misfit(name, f"has a row outside those of feature '{slot.name}'")
        before += tensors[name].shape[1]


def _fits(columns: Tensor, slot: FeatureSlot) -> bool:
    """Whether all rows are the feature's own, or padding behind a list's first value."""
    own = (columns > slot.offset) & (columns < slot.offset + slot.size)
    own |= columns == slot.mask_row
    own[:, 1:] |= columns[:, 1:] == 0
    return bool(own.all())


def _within(values: Tensor, low: int, high: int) -> bool:
    """Whether all values lie in low..high - 1."""
    if not values.numel():
        return True
    smallest, largest = torch.aminmax(values)
    return low <= int(smallest) and int(largest) < high
