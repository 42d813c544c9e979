"""Adam over all parameters, and over the rows of a large embedding table that a batch looks up.

With *dense* updates every row of the table moves at every step: its moments decay and its weight
decays also while nobody looks it up. One fused kernel does that for all parameters, in time that
follows the table's size.

With *sparse* updates a step touches the rows of its batch only, in time that follows the batch.
A row is then updated lazily, as `torch.optim.SparseAdam` does it:

- its moments are those of the steps that looked it up; they wait, undecayed, in between,
- the bias correction counts all steps, those of other rows too,
- **weight decay** is added to the gradient of touched rows only: a rare value decays rarely.

A row that every step looks up is updated as with dense updates, to the bit. Only the table is
sparse; everything else stays with the fused kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim.adam import adam

from workbench.config import TrainingConfig
from workbench.nn.framework import AdaF2M2

ADAM_EPS: Final = 1e-8

SPARSE_ROWS: Final = 1_000_000
"""Table rows from which ``updates: auto`` is sparse: where that wins at every batch size up to 8192
(`tests/benchmarks/bench_updates.py`); smaller batches gain from smaller tables on."""


class DirectAdam(torch.optim.Adam):
    """`torch.optim.Adam` whose steps go straight to its fused kernel.

    The same numbers, to the bit. What torch does around the kernel (profiling, hooks, a look at
    every parameter) is a fifteenth of a step of FM on a batch of 256. Hooks of the optimiser are
    not called.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update."""
        if closure is not None or not self._is_under_way():
            return super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                trained = [one for one in group["params"] if one.grad is not None]
                states = [self.state[one] for one in trained]
                moments = _of(states, "exp_avg"), _of(states, "exp_avg_sq")
                gradients = [one.grad for one in trained]
                steps = _of(states, "step")
                fused_update(trained, gradients, moments, steps, **_settings(group))
        return None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Let the gradients go."""
        if not set_to_none:
            super().zero_grad(set_to_none=False)
            return
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _is_under_way(self) -> bool:
        """Whether every parameter with a gradient has moments: not so at the first step."""
        parameters = (one for group in self.param_groups for one in group["params"])
        return all(self.state.get(one) for one in parameters if one.grad is not None)


def _of(states: list[dict[str, Tensor]], key: str) -> list[Tensor]:
    return [state[key] for state in states]


def fused_update(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: tuple[list[Tensor], list[Tensor]],
    steps: list[Tensor],
    **settings: Any,
) -> None:
    """Adam's fused update of some parameters, in place.

    Args:
        parameters, gradients, steps: one each.
        moments: first and second, one each.
        settings: lr, beta1, beta2, eps, weight_decay, and capturable where it is.
    """
    if parameters:
        means, squares = moments
        fixed: dict[str, Any] = {"fused": True, "amsgrad": False, "maximize": False}
        adam(parameters, gradients, means, squares, [], steps, **fixed, **settings)


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    """A parameter group of Adam, as `fused_update` takes it."""
    beta1, beta2 = group["betas"]
    kept = {key: group[key] for key in ("lr", "eps", "weight_decay", "capturable")}
    return {"beta1": beta1, "beta2": beta2, **kept}


class RowAdam(DirectAdam):
    """Adam that also takes sparse gradients, row by row; see the module.

    Its state is Adam's own: moments of the parameter's shape and the number of steps.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; a sparse gradient is used up by it."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    self._update_rows(parameter, group)
                    parameter.grad = None
        super().step()
        return loss

    @torch.no_grad()
    def _update_rows(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        gradient = parameter.grad.coalesce()
        rows = gradient.indices()[0]
        whole = (parameter, state["exp_avg"], state["exp_avg_sq"])
        own = [tensor.index_select(0, rows) for tensor in whole]
        moments = own[1:2], own[2:]
        fused_update(own[:1], [gradient.values()], moments, [state["step"]], **_settings(group))
        for tensor, values in zip(whole, own, strict=True):
            tensor.index_copy_(0, rows, values)


def optimizer_for(
    model: AdaF2M2, config: TrainingConfig, *, capturable: bool = False
) -> torch.optim.Adam:
    """The optimiser of a model, whose table is told what kind of gradient to have.

    Args:
        model: on its device.
        config: rates, decays and `updates`.
        capturable: whether its steps can be part of a CUDA graph.
    """
    sparse = has_sparse_updates(model, config)
    model.embedding.sparse = sparse
    kind = RowAdam if sparse else DirectAdam
    return kind(
        parameter_groups(model, config),
        lr=config.lr,
        weight_decay=config.weight_decay,
        fused=True,
        capturable=capturable,
    )


def has_sparse_updates(model: AdaF2M2, config: TrainingConfig) -> bool:
    """Whether the table's rows are updated one by one.

    ``auto`` asks for the table's size alone, never for the device, so that a run has the same
    numbers wherever it is repeated.
    """
    if config.updates == "auto":
        return model.embedding.layout.rows >= SPARSE_ROWS
    return config.updates == "sparse"


def parameter_groups(model: AdaF2M2, config: TrainingConfig) -> list[dict[str, Any]]:
    """Adam's parameter groups: embeddings, adapter and everything else; one where none differs.

    A group names only what differs from the optimiser's own settings. The shadows of simulated cold
    states are embeddings too.
    """
    cold = model.cold_states
    embeddings = [*model.embedding.parameters(), *(cold.parameters() if cold else ())]
    adapter = list(model.adapter.parameters()) if model.adapter is not None else []
    named = {id(parameter) for parameter in (*embeddings, *adapter)}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in named]
    eps = None if config.embedding_eps == ADAM_EPS else config.embedding_eps
    own = (
        (embeddings, config.embedding_lr, config.embedding_weight_decay, eps),
        (adapter, config.adapter_lr, config.adapter_weight_decay, None),
        (rest, None, None, None),
    )
    groups = []
    for parameters, *values in own:
        settings = zip(("lr", "weight_decay", "eps"), values, strict=True)
        differing = {key: value for key, value in settings if value is not None}
        if parameters:
            groups.append({"params": parameters, **differing})
    if all(group.keys() == {"params"} for group in groups):
        return [{"params": list(model.parameters())}]
    return groups
