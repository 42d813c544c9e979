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


def check_samples(
    samples: dict[str, Tensor], layout: TableLayout, users: int, items: int, place: str
) -> None:
    """Check the values of some samples, as `check_tensors` does those of all.

    Args:
        samples: users, items, context_rows, labels and counts, of their types and shapes.
        layout: what `context_rows` must fit.
        users, items: entities that the first two point to.
        place: the file, for errors.

    Raises:
        InputError: names the column and what is wrong with it.
    """
    try:
        _check_columns(samples, users, items)
        before = sum(s.stop - s.start for s in layout.slots if s.side is not Side.CONTEXT)
        _check_side(samples["context_rows"], "context_rows", Side.CONTEXT, layout, before)
    except _Misfit as misfit:
        raise InputError(f"{place}: tensor {misfit}") from None


def check_entities(
    tensors: dict[str, Tensor], layout: TableLayout, held_out: int, place: str
) -> None:
    """Check what a streamed data set keeps in memory: ``user_rows``, ``item_rows`` and, for a
    planted world, the true probabilities of its `held_out` samples.

    Raises:
        InputError: names the tensor and what is wrong with it.
    """
    before = 0
    try:
        for side, name in list(_SIDES.items())[:2]:
            width = sum(s.stop - s.start for s in layout.slots if s.side is side)
            _check_kind(name, tensors[name], torch.int32, width)
            _check_side(tensors[name], name, side, layout, before)
            before += width
        if PROBABILITY in tensors:
            _check_kind(PROBABILITY, tensors[PROBABILITY], torch.float32, None)
            if len(tensors[PROBABILITY]) != held_out:
                raise _Misfit(PROBABILITY, f"has other than {held_out} samples")
            _check_probability(tensors)
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
        _check_kind(name, tensor, *expected[name])


def _check_kind(name: str, tensor: Tensor, dtype: torch.dtype, columns: int | None) -> None:
    wanted = ("any",) if columns is None else ("any", columns)
    if tensor.dtype != dtype or ("any", *tensor.shape[1:]) != wanted:
        found = f"{tensor.dtype} {tuple(tensor.shape)}"
        raise _Misfit(name, f"is {found}; needed: {dtype} ({', '.join(map(str, wanted))})")


def _check_values(tensors: dict[str, Tensor]) -> None:
    samples = len(tensors["users"])
    for name in ("items", "context_rows", "labels", "counts", PROBABILITY):
        if name in tensors and len(tensors[name]) != samples:
            raise _Misfit(name, f"has {len(tensors[name])} samples; 'users' has {samples}")
    _check_columns(tensors, len(tensors["user_rows"]), len(tensors["item_rows"]))
    _check_probability(tensors)


def _check_probability(tensors: dict[str, Tensor]) -> None:
    probability = tensors.get(PROBABILITY)
    if probability is not None and not bool(((probability >= 0) & (probability <= 1)).all()):
        raise _Misfit(PROBABILITY, "has a value outside 0..1")


def _check_columns(tensors: dict[str, Tensor], users: int, items: int) -> None:
    for name, entities, count in (("users", "user_rows", users), ("items", "item_rows", items)):
        if not _within(tensors[name], 0, count):
            raise _Misfit(name, f"points outside '{entities}'")
    if not _within(tensors["labels"], 0, 2):
        raise _Misfit("labels", "has a value other than 0 and 1")
    counts = tensors["counts"]
    if not bool((torch.isfinite(counts) & (counts >= 0)).all()):
        raise _Misfit("counts", "has a value that is negative or not finite")


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
        _check_side(tensors[name], name, side, layout, before)
        before += tensors[name].shape[1]


def _check_side(rows: Tensor, name: str, side: Side, layout: TableLayout, before: int) -> None:
    """Check the table rows of a side's features; `before` columns of a batch lie before them."""
    for slot in layout.slots:
        if slot.side is side and not _fits(rows[:, slot.start - before : slot.stop - before], slot):
            raise _Misfit(name, f"has a row outside those of feature '{slot.name}'")


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
