"""The cross step: what it gives, and a gradient that is autograd's to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workbench.nn.cross import Cross, cross


def gradients(way: object, *inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
    leaves = [one.clone().requires_grad_() for one in inputs]
    out = way(*leaves)  # type: ignore[operator]
    (out * torch.arange(out.numel()).view_as(out)).sum().backward()
    return out.detach(), [one.grad for one in leaves if one.grad is not None]


def test_a_step_by_hand() -> None:
    out, grads = gradients(
        Cross.apply, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0])
    )
    assert out.tolist() == [16.0, 26.0]
    # The loss counts the second entry only.
    assert [one.tolist() for one in grads] == [[0.0, 1.0], [0.0, 6.0], [0.0, 4.0]]


@pytest.mark.parametrize("rows", [0, 1, 64])
def test_autograds_numbers_to_the_bit(rows: int) -> None:
    inputs = torch.randn(3, rows, 40, generator=torch.Generator().manual_seed(1)).unbind(0)
    out, grads = gradients(Cross.apply, *inputs)
    expected, theirs = gradients(torch.addcmul, *inputs)
    assert torch.equal(out, expected)
    assert len(grads) == len(theirs) == 3
    assert all(torch.equal(one, other) for one, other in zip(grads, theirs, strict=True))


def test_several_crosses_of_one_input_add_up_as_before() -> None:
    first, w = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(2)).unbind(0)

    def network(step: object) -> Tensor:
        x = first.clone().requires_grad_()
        crossed = x
        for _ in range(3):
            crossed = step(crossed, x, crossed @ w)  # type: ignore[operator]
        (crossed.sum() + (x @ w).square().sum()).backward()
        assert x.grad is not None
        return x.grad

    assert torch.equal(network(Cross.apply), network(torch.addcmul))


def test_other_numbers_and_transforms_take_the_plain_way() -> None:
    inputs = torch.randn(3, 4, 5, dtype=torch.float64).unbind(0)
    assert cross(*inputs).grad_fn is None
    leaf = inputs[0].clone().requires_grad_()
    out = cross(leaf, *inputs[1:])
    assert torch.autograd.gradcheck(cross, [one.clone().requires_grad_() for one in inputs])
    assert type(out.grad_fn).__name__ == "AddcmulBackward0"
    single = [one.float() for one in inputs]
    stacked = torch.func.vmap(cross)(*single)
    assert torch.equal(stacked, torch.addcmul(*single))
