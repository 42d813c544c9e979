"""Complex numbers between Cartesian and polar form, with gradients written out.

Autograd takes a sine again for the gradient of every cosine, and a division for that of every
logarithm and phase; the derivatives are products of what the forward pass holds already. That is
the smaller part of what `EulerNet` computes and was the larger part of its time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from workbench.nn.lookup import by_hand

# Added to a squared modulus before its logarithm, which zero has none of.
SMALLEST_SQUARE = 1e-8


def to_polar(real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """log lambda and theta of r + ip = lambda e^(i theta), of one shape.

    log lambda is half of log(r^2 + p^2 + 1e-8), and theta in (-pi, pi].
    """
    if by_hand(real):
        return _ToPolar.apply(real, imaginary)  # type: ignore[no-any-return, no-untyped-call]
    log_modulus = 0.5 * (real.square() + imaginary.square() + SMALLEST_SQUARE).log()
    return log_modulus, torch.atan2(imaginary, real)


def from_polar(log_modulus: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """r and p of lambda e^(i theta), from log lambda and theta of one shape."""
    if by_hand(phase):
        return _FromPolar.apply(log_modulus, phase)  # type: ignore[no-any-return, no-untyped-call]
    modulus = log_modulus.exp()
    return modulus * phase.cos(), modulus * phase.sin()


def on_the_circle(phase: Tensor) -> tuple[Tensor, Tensor]:
    """cos theta and sin theta, of one shape."""
    if by_hand(phase):
        return _OnTheCircle.apply(phase)  # type: ignore[no-any-return, no-untyped-call]
    return phase.cos(), phase.sin()


class _ToPolar(torch.autograd.Function):
    """d log lambda = (r dr + p dp) / lambda^2 and d theta = (r dp - p dr) / lambda^2.

    lambda^2 holds the 1e-8 in both, so that at zero, where there is no phase, the gradient is 0.
    """

    @staticmethod
    def forward(ctx: Any, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        square = torch.addcmul(real.square().add_(SMALLEST_SQUARE), imaginary, imaginary)
        ctx.save_for_backward(real, imaginary, square)
        return square.log().mul_(0.5), torch.atan2(imaginary, real)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_log: Tensor, of_phase: Tensor) -> tuple[Tensor, Tensor]:
        real, imaginary, square = ctx.saved_tensors
        inverse = square.reciprocal()
        of_log, of_phase = of_log * inverse, of_phase * inverse
        of_real = (of_log * real).addcmul_(of_phase, imaginary, value=-1)
        return of_real, (of_log * imaginary).addcmul_(of_phase, real)


class _FromPolar(torch.autograd.Function):
    """dr = r d log lambda - p d theta and dp = p d log lambda + r d theta."""

    @staticmethod
    def forward(ctx: Any, log_modulus: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        modulus = log_modulus.exp()
        real, imaginary = phase.cos().mul_(modulus), phase.sin().mul_(modulus)
        ctx.save_for_backward(real, imaginary)
        return real, imaginary

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_real: Tensor, of_imaginary: Tensor) -> tuple[Tensor, Tensor]:
        real, imaginary = ctx.saved_tensors
        of_phase = (of_imaginary * real).addcmul_(of_real, imaginary, value=-1)
        return (of_real * real).addcmul_(of_imaginary, imaginary), of_phase


class _OnTheCircle(torch.autograd.Function):
    """d cos theta = -sin theta d theta and d sin theta = cos theta d theta."""

    @staticmethod
    def forward(ctx: Any, phase: Tensor) -> tuple[Tensor, Tensor]:
        real, imaginary = phase.cos(), phase.sin()
        ctx.save_for_backward(real, imaginary)
        return real, imaginary

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_real: Tensor, of_imaginary: Tensor) -> Tensor:
        real, imaginary = ctx.saved_tensors
        of_phase: Tensor = of_imaginary * real
        return of_phase.addcmul_(of_real, imaginary, value=-1)
