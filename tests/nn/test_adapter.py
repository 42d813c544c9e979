"""The state-aware adapter: its signals by hand, its start, its range and its gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workbench.nn.adapter import SMALLEST_NORM, StateAwareAdapter

FEATURES, DIM, IDS = 4, 2, (1, 3)
MEAN, STD = torch.tensor([0.5, 2.0, 1.0]), torch.tensor([0.25, 0.5, 2.0])


def adapter_of(**options: Any) -> StateAwareAdapter:
    torch.manual_seed(0)
    return StateAwareAdapter(FEATURES, DIM, IDS, MEAN, STD, **options)


def trained(adapter: StateAwareAdapter, size: float = 0.2) -> StateAwareAdapter:
    """As after training: the output layer is no longer zero."""
    nn.init.normal_(adapter.h[-1].weight, std=size)
    nn.init.normal_(adapter.h[-1].bias, std=size)
    return adapter


@pytest.fixture
def vectors() -> Tensor:
    return torch.randn(6, FEATURES, DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def counts() -> Tensor:
    return torch.tensor([0.0, 3.0, 1e6]).expand(6, 3).clone()


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.7])
def test_every_weight_starts_at_half_the_scale(
    vectors: Tensor, counts: Tensor, scale: float
) -> None:
    weights = adapter_of(weight_scale=scale)(vectors, counts)
    assert weights.shape == (6, FEATURES)
    assert torch.equal(weights, torch.full((6, FEATURES), scale / 2))


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_weights_stay_between_zero_and_the_scale(
    vectors: Tensor, counts: Tensor, scale: float
) -> None:
    adapter = trained(adapter_of(weight_scale=scale))
    weights = adapter(vectors, counts)
    assert (weights > 0).all()
    assert (weights < scale).all()
    assert weights.std() > 0.01
    half = trained(adapter_of())(vectors, counts)
    torch.testing.assert_close(weights, half * scale)


def test_state_by_hand() -> None:
    vectors = torch.tensor([[[9.0, 9.0], [3.0, 4.0], [9.0, 9.0], [0.0, 2.0]]])
    counts = torch.tensor([[math.e - 1, 0.0, math.e**3 - 1]])
    state = adapter_of().state(vectors, counts)
    norms = [5.0, 2.0]
    expected = [
        *[3.0, 4.0, 0.0, 2.0],  # r_ID: the vectors of features 1 and 3
        *norms,
        *[math.log(n) for n in norms],
        *[math.sqrt(n) for n in norms],
        *[n * n for n in norms],
        *[(1 - 0.5) / 0.25, (0 - 2.0) / 0.5, (3 - 1.0) / 2.0],  # log1p standardised: 2, -4, 1
    ]
    assert state[0].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("signals", "width"),
    [
        (("id",), 4),
        (("norm",), 8),
        (("count",), 3),
        (("id", "norm"), 12),
        (("id", "norm", "count"), 15),
    ],
)
def test_signals_can_be_left_out(
    vectors: Tensor, counts: Tensor, signals: tuple[str, ...], width: int
) -> None:
    adapter = trained(adapter_of(signals=signals))
    assert adapter.state(vectors, counts).shape == (6, width)
    assert adapter.h[0].in_features == width
    weights = adapter(vectors, counts)
    other_counts = torch.equal(weights, adapter(vectors, counts + 5))
    other_ids = torch.equal(weights, adapter(vectors + 1, counts))
    assert other_counts == ("count" not in signals)
    assert other_ids == (not {"id", "norm"} & set(signals))


def test_meta_features_are_not_read(vectors: Tensor, counts: Tensor) -> None:
    adapter = trained(adapter_of())
    changed = vectors.clone()
    changed[:, [0, 2]] += 1
    assert torch.equal(adapter(vectors, counts), adapter(changed, counts))


def test_constant_count_is_silent_not_infinite(vectors: Tensor) -> None:
    adapter = StateAwareAdapter(
        FEATURES, DIM, IDS, torch.log1p(torch.tensor([7.0])), torch.zeros(1), signals=("count",)
    )
    for value in (7.0, 0.0, 1e9):  # the last two were never seen in training
        assert torch.equal(adapter.state(vectors, torch.full((6, 1), value)), torch.zeros(6, 1))


@pytest.mark.parametrize("detach", [True, False])
def test_detached_state_stops_the_gradient(vectors: Tensor, counts: Tensor, detach: bool) -> None:
    adapter = trained(adapter_of(detach_state=detach))
    vectors.requires_grad_()
    adapter(vectors, counts).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in adapter.parameters())
    if detach:
        assert vectors.grad is None
    else:
        reached = vectors.grad.abs().amax(dim=(0, 2)) > 0
        assert reached.tolist() == [False, True, False, True]


def test_zero_embedding_gives_finite_state_and_gradient(counts: Tensor) -> None:
    adapter = trained(adapter_of(detach_state=False))
    zero = torch.zeros(6, FEATURES, DIM, requires_grad=True)
    state = adapter.state(zero, counts)
    assert state[0, 4].item() == pytest.approx(SMALLEST_NORM)
    assert state[0, 6].item() == pytest.approx(math.log(SMALLEST_NORM))
    adapter(zero, counts).sum().backward()
    assert zero.grad.isfinite().all()


@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)])
def test_hidden_layers(vectors: Tensor, counts: Tensor, hidden: tuple[int, ...]) -> None:
    adapter = adapter_of(hidden=hidden)
    widths = [layer.out_features for layer in adapter.h if isinstance(layer, nn.Linear)]
    assert widths == [*hidden, FEATURES]
    assert adapter(vectors, counts).shape == (6, FEATURES)


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_batch_equals_row_by_row(batch: int) -> None:
    adapter = trained(adapter_of())
    vectors, counts = torch.randn(batch, FEATURES, DIM), 10 * torch.rand(batch, 3)
    weights = adapter(vectors, counts)
    assert weights.shape == (batch, FEATURES)
    for i in range(batch):
        alone = adapter(vectors[i : i + 1], counts[i : i + 1])[0]
        torch.testing.assert_close(weights[i], alone)


def test_moments_travel_with_the_weights(vectors: Tensor, counts: Tensor) -> None:
    """A saved adapter standardises as it did in training, whatever it was built with."""
    source = trained(adapter_of())
    target = StateAwareAdapter(FEATURES, DIM, IDS, torch.zeros(3), torch.ones(3))
    target.load_state_dict(source.state_dict())
    assert torch.equal(target(vectors, counts), source(vectors, counts))


@pytest.mark.parametrize(("scale", "start"), [(1.0, 0.9), (2.0, 1.0), (2.0, 0.25)])
def test_every_weight_starts_where_it_is_told(
    vectors: Tensor, counts: Tensor, scale: float, start: float
) -> None:
    weights = adapter_of(weight_scale=scale, start=start)(vectors, counts)
    torch.testing.assert_close(weights, torch.full((6, FEATURES), start))


def test_the_middle_is_the_start_without_one(vectors: Tensor, counts: Tensor) -> None:
    """To the bit: no bias is touched."""
    adapter = adapter_of(weight_scale=2.0)
    assert torch.equal(adapter(vectors, counts), torch.ones(6, FEATURES))
    for name, value in adapter_of(weight_scale=2.0, start=1.0).state_dict().items():
        assert torch.equal(value, adapter.state_dict()[name]), name
