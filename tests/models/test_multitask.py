"""Heads on a shared bottom."""

from __future__ import annotations

import pytest
import torch

from workbench.models.base import FeatureLayout
from workbench.models.dcn_v2 import DCNV2
from workbench.models.multitask import MultiTaskDCNV2
from workbench.schema import Side

LAYOUT = FeatureLayout(("a", "b"), (Side.USER, Side.ITEM), 2)


def model_of(**options: object) -> MultiTaskDCNV2:
    torch.manual_seed(0)
    settings = {"hidden": [4], "cross_layers": 2} | options
    return MultiTaskDCNV2(LAYOUT, MultiTaskDCNV2.check_options("multitask", settings))


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("batch", [0, 1, 5])
def test_one_logit_per_task(tasks: int, batch: int) -> None:
    model = model_of(tasks=tasks)
    assert model.tasks == tasks
    assert model(torch.randn(batch, 2, 2)).shape == (batch, tasks)


@pytest.mark.parametrize("structure", ["parallel", "stacked"])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_linear_head_on_the_bottom_is_dcn_v2(structure: str, rank: int) -> None:
    """Each task computes what a DCN-V2 of the same weights would."""
    model = model_of(structure=structure, rank=rank, head_hidden=[])
    options = {"hidden": [4], "cross_layers": 2, "structure": structure, "rank": rank}
    single = DCNV2(LAYOUT, DCNV2.check_options("dcn_v2", options))
    bottom = {f"bottom.{name}": value for name, value in model.bottom.state_dict().items()}
    vectors = torch.randn(5, 2, 2)
    for task, head in enumerate(model.heads):
        output = {f"output.{name}": value for name, value in head[-1].state_dict().items()}
        single.load_state_dict(bottom | output)
        torch.testing.assert_close(model(vectors)[:, task], single(vectors))


def test_a_task_trains_the_bottom_and_its_own_head() -> None:
    model = model_of(head_hidden=[3])
    model(torch.randn(8, 2, 2))[:, 1].sum().backward()
    for name, parameter in model.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        assert reached == name.startswith(("bottom.", "heads.1.")), name


def test_head_by_hand() -> None:
    model = model_of(head_hidden=[2], tasks=2)
    head = model.heads[0]
    with torch.no_grad():
        head[0].weight.fill_(0.0)
        head[0].weight[0, 0], head[0].weight[1, 1] = 1.0, -1.0
        head[-1].weight.copy_(torch.tensor([[3.0, 5.0]]))
        head[-1].bias.fill_(0.5)
    hidden = torch.zeros(1, model.bottom.width)
    hidden[0, :2] = torch.tensor([2.0, 4.0])
    # ReLU [2, -4] = [2, 0]; 3 * 2 + 0.5
    assert head(hidden).item() == pytest.approx(6.5)
