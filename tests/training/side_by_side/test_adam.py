"""Adam on a stack is `torch.optim.Adam` on each member, to the bit."""

from __future__ import annotations

import pytest
import torch

from workbench.training.side_by_side.adam import AdamSettings, StackedAdam

SHAPES = {"table": (50, 4), "weight": (3, 4), "bias": ()}
PLAIN = AdamSettings(0.01, 0.9, 0.999, 1e-8, 1e-5)


def drawn(seed: int, members: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(members, *shape, generator=generator) for name, shape in SHAPES.items()
    }


@pytest.mark.parametrize(
    "settings",
    [
        [PLAIN] * 4,
        [PLAIN, PLAIN._replace(lr=0.1), PLAIN._replace(lr=0.1), PLAIN._replace(weight_decay=0.3)],
        [PLAIN._replace(eps=10.0**-place, beta1=0.1 * place) for place in range(4)],
    ],
)
@pytest.mark.parametrize("fused", [True, False])
def test_equals_torch_for_every_member(settings: list[AdamSettings], fused: bool) -> None:
    parameters = drawn(0, 4)
    singles = [
        {name: torch.nn.Parameter(value[place].clone()) for name, value in parameters.items()}
        for place in range(4)
    ]
    optimizers = [
        torch.optim.Adam(
            list(single.values()),
            lr=own.lr,
            betas=(own.beta1, own.beta2),
            eps=own.eps,
            weight_decay=own.weight_decay,
            fused=fused,
        )
        for single, own in zip(singles, settings, strict=True)
    ]
    moments = {
        name: (torch.zeros_like(value), torch.zeros_like(value))
        for name, value in parameters.items()
    }
    adam = StackedAdam(
        parameters, moments, [dict.fromkeys(SHAPES, own) for own in settings], [0] * 4
    )
    for step in range(1, 6):
        gradients = drawn(step, 4)
        # A gradient may come in another order of memory than its parameter.
        given = {**gradients, "weight": gradients["weight"].mT.contiguous().mT}
        adam.step(given)
        for place, (single, optimizer) in enumerate(zip(singles, optimizers, strict=True)):
            for name, parameter in single.items():
                parameter.grad = gradients[name][place].clone()
            optimizer.step()
    for place, single in enumerate(singles):
        for name, parameter in single.items():
            if fused:
                assert torch.equal(parameters[name][place], parameter.detach()), name
            else:
                torch.testing.assert_close(
                    parameters[name][place], parameter.detach(), rtol=1e-5, atol=1e-7
                )


def test_a_member_that_joins_late_counts_its_own_steps() -> None:
    """The first step of Adam moves every entry by lr, whatever its gradient's size."""
    parameters = {"weight": torch.zeros(2, 3)}
    moments = {"weight": (torch.zeros(2, 3), torch.zeros(2, 3))}
    plain = PLAIN._replace(weight_decay=0.0)
    adam = StackedAdam(parameters, moments, [{"weight": plain}] * 2, [1000, 0])
    adam.step({"weight": torch.full((2, 3), 5.0)})
    torch.testing.assert_close(parameters["weight"][1], torch.full((3,), -0.01))
    # With moments of zero at step 1001: m = 0.1 g, v = 0.001 g^2, corrected by 1 - 0.9^1001 = 1 and
    # 1 - 0.999^1001.
    corrected = (0.001 / (1 - 0.999**1001)) ** 0.5
    torch.testing.assert_close(parameters["weight"][0], torch.full((3,), -0.01 * 0.1 / corrected))


def test_a_parameter_without_gradient_stays() -> None:
    parameters = drawn(0, 2)
    before = parameters["bias"].clone()
    moments = {name: (torch.zeros_like(v), torch.zeros_like(v)) for name, v in parameters.items()}
    adam = StackedAdam(parameters, moments, [dict.fromkeys(SHAPES, PLAIN)] * 2, [0, 0])
    adam.step({**drawn(1, 2), "bias": None})
    assert torch.equal(parameters["bias"], before)
