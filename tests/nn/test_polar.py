"""Complex numbers between Cartesian and polar form: values and gradients against autograd's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from workbench.nn.polar import SMALLEST_SQUARE, from_polar, on_the_circle, to_polar

Conversion = Callable[..., tuple[Tensor, Tensor]]
CONVERSIONS: dict[str, tuple[Conversion, int]] = {
    "to_polar": (to_polar, 2),
    "from_polar": (from_polar, 2),
    "on_the_circle": (on_the_circle, 1),
}


def results(
    convert: Conversion, inputs: Sequence[Tensor], above: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Both outputs, and the gradients of their sum weighted by `above`."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    outputs = convert(*leaves)
    torch.autograd.backward(outputs, list(above))
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    assert len(gradients) == len(leaves)
    return [output.detach() for output in outputs], gradients


@pytest.mark.parametrize("name", CONVERSIONS)
def test_written_out_gradients_are_those_of_autograd(name: str) -> None:
    convert, count = CONVERSIONS[name]
    generator = torch.Generator().manual_seed(0)
    inputs = [3 * torch.randn(50, 3, 4, generator=generator) for _ in range(count)]
    above = [torch.randn(50, 3, 4, generator=generator) for _ in range(2)]
    by_hand = results(convert, inputs, above)
    # In float64 the same functions go through autograd.
    doubles = [x.double() for x in inputs], [x.double() for x in above]
    expected = results(convert, *doubles)
    for written, derived in zip(by_hand, expected, strict=True):
        for one, other in zip(written, derived, strict=True):
            assert one.dtype == torch.float32
            torch.testing.assert_close(one.double(), other, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_one_output_alone_has_its_gradient(name: str) -> None:
    convert, count = CONVERSIONS[name]
    inputs = [torch.tensor([0.7, -1.2]), torch.tensor([0.4, 2.0])][:count]
    for place in range(2):
        above = [torch.zeros(2), torch.zeros(2)]
        above[place] = torch.ones(2)
        leaves = [x.clone().requires_grad_() for x in inputs]
        convert(*leaves)[place].sum().backward()
        _, expected = results(convert, inputs, above)
        for leaf, gradient in zip(leaves, expected, strict=True):
            assert torch.equal(leaf.grad, gradient)


def test_there_and_back() -> None:
    real, imaginary = torch.tensor([3.0, -4.0, 0.0]), torch.tensor([4.0, -3.0, 2.0])
    log_modulus, phase = to_polar(real, imaginary)
    torch.testing.assert_close(log_modulus.exp(), torch.tensor([5.0, 5.0, 2.0]))
    back = from_polar(log_modulus, phase)
    torch.testing.assert_close(back, (real, imaginary), rtol=1e-5, atol=1e-6)
    cosine, sine = on_the_circle(phase)
    torch.testing.assert_close(cosine, torch.tensor([0.6, -0.8, 0.0]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(sine, torch.tensor([0.8, -0.6, 1.0]), rtol=1e-5, atol=1e-6)


def test_zero_has_a_finite_logarithm_and_no_gradient() -> None:
    real, imaginary = (torch.zeros(4, requires_grad=True) for _ in range(2))
    log_modulus, phase = to_polar(real, imaginary)
    torch.testing.assert_close(log_modulus, 0.5 * torch.full((4,), SMALLEST_SQUARE).log())
    (log_modulus.sum() + phase.sum()).backward()
    assert torch.equal(real.grad, torch.zeros(4))
    assert torch.equal(imaginary.grad, torch.zeros(4))


@pytest.mark.parametrize("name", CONVERSIONS)
def test_transforms_take_the_other_path(name: str) -> None:
    convert, count = CONVERSIONS[name]
    inputs = [torch.randn(5, 3) for _ in range(count)]
    mapped = torch.func.vmap(convert)(*inputs)
    torch.testing.assert_close(mapped, convert(*inputs))
