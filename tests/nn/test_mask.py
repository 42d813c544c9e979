"""The feature mask: rates, exactness, independence and reproducibility."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from workbench.nn.mask import FeatureMask

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample(
    k: int, batch: int, features: int, mask_range: tuple[float, float] = (0.1, 0.5), seed: int = 0
) -> tuple[Tensor, Tensor]:
    return FeatureMask(k, mask_range).sample(batch, features, CPU, seeded(seed))


@pytest.fixture
def vectors() -> Tensor:
    return torch.randn(50, 6, 4, generator=seeded(1))


@pytest.fixture
def mask_vectors() -> Tensor:
    return torch.randn(6, 4, generator=seeded(2))


def test_shapes() -> None:
    p, mask = sample(3, 5, 7)
    assert p.shape == (3, 5, 1)
    assert mask.shape == (3, 5, 7)
    assert mask.dtype == torch.bool


def test_probability_is_uniform_per_copy() -> None:
    p, _ = sample(4, 20_000, 2)
    values = p.flatten().numpy()
    assert values.min() >= 0.1
    assert values.max() <= 0.5
    # Kolmogorov-Smirnov against U[0.1, 0.5]: this seed gives one p-value, fixed for ever.
    assert kstest(values, "uniform", args=(0.1, 0.4)).pvalue > 0.01
    # Copies of the same sample draw for themselves: no correlation within 4 sigma.
    first, second = p[0, :, 0], p[1, :, 0]
    assert torch.corrcoef(torch.stack((first, second)))[0, 1].abs() < 4 / 20_000**0.5


def test_masked_share_matches_the_range() -> None:
    k, batch, features = 4, 25_000, 8
    _, mask = sample(k, batch, features)
    # p has mean 0.3 and variance 0.4^2 / 12; features of a copy share it, so the share of a copy
    # has variance Var p + E[p (1 - p)] / features.
    variance_p = 0.4**2 / 12
    within = 0.3 - (variance_p + 0.3**2)
    sigma = ((variance_p + within / features) / (k * batch)) ** 0.5
    assert mask.double().mean().item() == pytest.approx(0.3, abs=4 * sigma)
    shares = mask.double().mean(dim=2)
    assert shares.var().item() == pytest.approx(variance_p + within / features, rel=0.02)
    # No feature is preferred: each has variance 0.3 * 0.7 per copy.
    per_feature = mask.double().mean(dim=(0, 1))
    assert (per_feature - 0.3).abs().max() < 4 * (0.21 / (k * batch)) ** 0.5


def test_features_are_masked_with_the_probability_of_their_copy() -> None:
    p, mask = sample(1, 2000, 500)
    share = mask[0].double().mean(dim=1)
    sigma = (p[0, :, 0] * (1 - p[0, :, 0]) / 500).sqrt()
    assert ((share - p[0, :, 0]).abs() < 5 * sigma).all()


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["copies", "samples", "features"])
def test_copies_samples_and_features_are_masked_independently(axis: int) -> None:
    _, mask = sample(100, 100, 100, (0.3, 0.3))
    one, other = mask.unfold(axis, 2, 2).unbind(-1)  # neighbours, in pairs
    # Two independent draws of 0.3 agree with probability 0.3^2 + 0.7^2 = 0.58.
    sigma = (0.58 * 0.42 / one.numel()) ** 0.5
    assert (one == other).double().mean().item() == pytest.approx(0.58, abs=4 * sigma)


def test_replaced_exactly_and_the_rest_bit_identical(vectors: Tensor, mask_vectors: Tensor) -> None:
    layer = FeatureMask(3, (0.1, 0.5))
    copies = layer(vectors, mask_vectors, seeded(5))
    _, mask = layer.sample(50, 6, CPU, seeded(5))
    assert copies.shape == (3, 50, 6, 4)
    assert 0 < mask.sum() < mask.numel()
    assert torch.equal(copies[mask], mask_vectors.expand(3, 50, 6, 4)[mask])
    assert torch.equal(copies[~mask], vectors.expand(3, 50, 6, 4)[~mask])


def test_copies_differ(vectors: Tensor, mask_vectors: Tensor) -> None:
    copies = FeatureMask(3, (0.1, 0.5))(vectors, mask_vectors, seeded(5))
    assert not torch.equal(copies[0], copies[1])
    assert not torch.equal(copies[1], copies[2])
    assert not torch.equal(copies[0], copies[2])


def test_generator_decides(vectors: Tensor, mask_vectors: Tensor) -> None:
    layer = FeatureMask(2, (0.1, 0.5))
    first = layer(vectors, mask_vectors, seeded(7))
    torch.rand(10)  # the global stream has no say
    assert torch.equal(first, layer(vectors, mask_vectors, seeded(7)))
    assert not torch.equal(first, layer(vectors, mask_vectors, seeded(8)))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_ends_of_the_range(vectors: Tensor, mask_vectors: Tensor, share: float) -> None:
    copies = FeatureMask(2, (share, share))(vectors, mask_vectors, seeded(0))
    expected = vectors if share == 0 else mask_vectors
    assert torch.equal(copies, expected.expand(2, 50, 6, 4))


def test_gradient_flows_to_what_each_copy_shows(vectors: Tensor, mask_vectors: Tensor) -> None:
    layer = FeatureMask(3, (0.1, 0.5))
    vectors, mask_vectors = vectors.requires_grad_(), mask_vectors.requires_grad_()
    layer(vectors, mask_vectors, seeded(5)).sum().backward()
    _, mask = layer.sample(50, 6, CPU, seeded(5))
    shown = (~mask).sum(0).float().unsqueeze(-1)  # copies that show the vector: [batch, feature, 1]
    assert torch.equal(vectors.grad, shown.expand_as(vectors))
    assert torch.equal(
        mask_vectors.grad, mask.sum((0, 1)).float().unsqueeze(-1).expand_as(mask_vectors)
    )


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize(("batch", "dim"), [(1, 4), (64, 16), (1000, 17)])
def test_copies_and_gradients_are_those_of_where_to_the_bit(k: int, batch: int, dim: int) -> None:
    torch.manual_seed(k)
    layer = FeatureMask(k, (0.1, 0.5))
    given = [torch.randn(size, requires_grad=True) for size in ((batch, 6, dim), (6, dim))]
    copies = layer(*given, seeded(5))
    _, mask = layer.sample(batch, 6, CPU, seeded(5))
    expected = torch.where(mask.unsqueeze(-1), given[1], given[0])
    assert torch.equal(copies, expected)
    coefficients = torch.randn_like(copies)
    for own, other in zip(
        torch.autograd.grad(copies, given, coefficients),
        torch.autograd.grad(expected, given, coefficients),
        strict=True,
    ):
        assert torch.equal(own, other)


@pytest.mark.parametrize("batch", [0, 1])
def test_small_batches(batch: int, mask_vectors: Tensor) -> None:
    copies = FeatureMask(2, (0.1, 0.5))(torch.zeros(batch, 6, 4), mask_vectors, seeded(0))
    assert copies.shape == (2, batch, 6, 4)


class TestIdRange:
    """A range of their own for ID features: a deviation from the paper."""

    IDS = torch.tensor([True, False, False, True])

    def test_each_kind_has_its_own_rate(self) -> None:
        layer = FeatureMask(4, (0.1, 0.5), self.IDS, (0.6, 0.8))
        p, mask = layer.sample(25_000, 4, CPU, seeded(0))
        assert p.shape == (4, 25_000, 4)
        for feature, (low, high) in enumerate(((0.6, 0.8), (0.1, 0.5), (0.1, 0.5), (0.6, 0.8))):
            column = p[:, :, feature]
            assert low <= column.min() < column.max() <= high
            mean = (low + high) / 2
            share = mask[:, :, feature].double().mean().item()
            assert share == pytest.approx(mean, abs=4 * (mean * (1 - mean) / 100_000) ** 0.5)
        # One draw decides both: p lies as far between the one pair of bounds as the other.
        torch.testing.assert_close((p[..., 0] - 0.6) / 0.2, (p[..., 1] - 0.1) / 0.4)

    def test_only_ids(self, vectors: Tensor, mask_vectors: Tensor) -> None:
        ids = torch.tensor([True, False, False, False, True, False])
        copies = FeatureMask(2, (0.0, 0.0), ids, (1.0, 1.0))(vectors, mask_vectors, seeded(0))
        expected = torch.where(ids.view(-1, 1), mask_vectors, vectors)
        assert torch.equal(copies, expected.expand(2, 50, 6, 4))

    def test_none_is_the_paper_to_the_bit(self, vectors: Tensor, mask_vectors: Tensor) -> None:
        ids = torch.ones(6, dtype=torch.bool)
        plain = FeatureMask(3, (0.1, 0.5))(vectors, mask_vectors, seeded(5))
        without = FeatureMask(3, (0.1, 0.5), ids)(vectors, mask_vectors, seeded(5))
        same = FeatureMask(3, (0.1, 0.5), ids, (0.1, 0.5))(vectors, mask_vectors, seeded(5))
        assert torch.equal(without, plain)
        assert torch.equal(same, plain)
