"""Row-wise updates: Adam's own numbers for rows that are looked up, nothing for the others."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.training.test_trainer import config_for, fit
from workbench.config import TrainingConfig
from workbench.data.dataset import Dataset
from workbench.nn.build import model_for
from workbench.training import checkpoint, optimizers
from workbench.training.optimizers import (
    DirectAdam,
    RowAdam,
    has_sparse_updates,
    optimizer_for,
)
from workbench.training.trainer import Trainer

LR, DECAY, EPS, BETAS = 0.1, 0.5, 1e-3, (0.9, 0.999)


def sparse_gradient(rows: list[int], values: list[list[float]], size: int) -> Tensor:
    shape = (size, len(values[0]))
    return torch.sparse_coo_tensor([rows], torch.tensor(values), shape, check_invariants=True)


def row_adam(table: Tensor) -> RowAdam:
    return RowAdam([table], lr=LR, weight_decay=DECAY, eps=EPS, betas=BETAS, fused=True)


def test_two_steps_by_hand() -> None:
    """Row 0 is looked up in both steps, row 1 in the second alone, row 2 in neither."""
    table = torch.tensor([[1.0], [2.0], [3.0]]).requires_grad_()
    optimizer = row_adam(table)
    gradients = [{0: 0.25}, {0: -0.5, 1: 0.75}]
    for own in gradients:
        table.grad = sparse_gradient(list(own), [[value] for value in own.values()], 3)
        optimizer.step()
    expected = [1.0, 2.0, 3.0]
    for row in (0, 1):
        mean = square = 0.0
        for step, own in enumerate(gradients, start=1):
            if row in own:
                gradient = own[row] + DECAY * expected[row]  # only where it is looked up
                mean = BETAS[0] * mean + (1 - BETAS[0]) * gradient
                square = BETAS[1] * square + (1 - BETAS[1]) * gradient**2
                size = math.sqrt(square) / math.sqrt(1 - BETAS[1] ** step) + EPS
                expected[row] -= LR * mean / (1 - BETAS[0] ** step) / size
    assert table.flatten().tolist() == pytest.approx(expected, rel=1e-5)
    assert table[2].item() == 3.0


def test_rows_of_every_step_are_updated_as_adam_updates_them_to_the_bit() -> None:
    torch.manual_seed(0)
    start = torch.randn(6, 5)
    tables = [start.clone().requires_grad_() for _ in range(2)]
    settings = {"lr": LR, "weight_decay": DECAY, "eps": EPS, "fused": True}
    pair = (RowAdam([tables[0]], **settings), torch.optim.Adam([tables[1]], **settings))
    for _ in range(4):
        gradient = torch.randn(6, 5)
        for table, optimizer in zip(tables, pair, strict=True):
            table.grad = gradient.to_sparse(1) if optimizer is pair[0] else gradient.clone()
            optimizer.step()
    assert torch.equal(*tables)
    for name in ("exp_avg", "exp_avg_sq", "step"):
        assert torch.equal(pair[0].state[tables[0]][name], pair[1].state[tables[1]][name])


def test_steps_without_ceremony_are_adams_to_the_bit() -> None:
    """Groups with settings of their own; a parameter that gets its first gradient late, or none."""
    torch.manual_seed(0)
    start = [torch.randn(7, 3), torch.randn(5), torch.randn(()), torch.randn(4)]
    ends, states = [], []
    for kind in (torch.optim.Adam, DirectAdam):
        own = [one.clone().requires_grad_() for one in start]
        groups = [{"params": own[:2], "lr": 0.3, "eps": 1e-3}, {"params": own[2:]}]
        optimizer = kind(groups, lr=LR, weight_decay=DECAY, fused=True)
        draws = torch.Generator().manual_seed(1)
        for step in range(6):
            optimizer.zero_grad()
            for one in own[: 2 if step < 3 else 3]:
                one.grad = torch.randn(one.shape, generator=draws)
            optimizer.step()
        ends.append(own)
        states.append(optimizer.state_dict()["state"])
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))
    assert [set(state) for state in states] == [{0, 1, 2}, {0, 1, 2}]
    for position, state in states[0].items():
        assert all(torch.equal(value, states[1][position][key]) for key, value in state.items())
    assert torch.equal(ends[1][3], start[3])
    assert not torch.equal(ends[1][2], start[2])


def test_gradients_are_let_go_or_zeroed() -> None:
    table = torch.ones(2).requires_grad_()
    optimizer = DirectAdam([table], fused=True)
    table.grad = torch.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert table.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert table.grad is None


def test_a_row_that_occurs_twice_is_updated_once_with_the_sum() -> None:
    tables = [torch.ones(3, 2, requires_grad=True) for _ in range(2)]
    tables[0].grad = sparse_gradient([1, 1], [[0.25, 1.0], [0.5, -2.0]], 3)
    tables[1].grad = sparse_gradient([1], [[0.75, -1.0]], 3)
    for table in tables:
        row_adam(table).step()
    assert torch.equal(*tables)


def test_a_dense_gradient_is_adams_affair() -> None:
    tables = [torch.ones(3, 2, requires_grad=True) for _ in range(2)]
    adam = torch.optim.Adam([tables[1]], lr=LR, weight_decay=DECAY, eps=EPS, fused=True)
    for table, optimizer in zip(tables, (row_adam(tables[0]), adam), strict=True):
        table.grad = torch.arange(6.0).view(3, 2)
        optimizer.step()
    assert torch.equal(*tables)


def test_auto_asks_for_the_size_of_the_table(
    small_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_for(config_for(), small_world)
    rows = model.embedding.layout.rows
    for limit, expected in ((rows, True), (rows + 1, False)):
        monkeypatch.setattr(optimizers, "SPARSE_ROWS", limit)
        assert has_sparse_updates(model, TrainingConfig()) is expected
        assert isinstance(optimizer_for(model, TrainingConfig()), RowAdam) is expected
        assert model.embedding.sparse is expected
        assert not has_sparse_updates(model, TrainingConfig(updates="dense"))
        assert has_sparse_updates(model, TrainingConfig(updates="sparse"))


def test_a_value_that_no_batch_holds_stays_as_it_was(small_world: Dataset) -> None:
    config = config_for("full", updates="sparse", weight_decay=0.1, epochs=1)
    before = model_for(config, small_world).embedding.weight.detach().clone()
    trainer = fit(small_world, config)
    train = small_world.batch(small_world.splits["train"])
    touched = torch.zeros(len(before), dtype=torch.bool)
    touched[train.rows.unique().long()] = True
    touched[trainer.model.embedding.mask_rows] = True
    touched[0] = False
    after = trainer.model.embedding.weight.detach()
    assert torch.equal(after[~touched], before[~touched])
    assert (after != before).any(1)[touched].float().mean() > 0.99


@pytest.mark.parametrize("variant", ["base", "full"])
def test_sparse_training_resumes_to_the_bit(small_world: Dataset, variant: str) -> None:
    config = config_for(variant, updates="sparse", epochs=3, patience=3)
    whole = fit(small_world, config)
    first = fit(small_world, config_for(variant, updates="sparse", epochs=1, patience=3))
    packed = checkpoint.pack(first)  # before another trainer seeds dropout
    again = Trainer(model_for(config, small_world), small_world, config.training)
    checkpoint.unpack(again, *packed)
    again.fit()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


@pytest.mark.parametrize("rival", ["ssl", "dropoutnet"])
def test_rivals_train_with_sparse_updates(small_world: Dataset, rival: str) -> None:
    """One looks items up in the table by itself, which gives a dense gradient."""
    values = config_for("base", updates="sparse", epochs=1).model_dump()
    config = type(config_for()).parse(values | {"rival": {"name": rival}})
    trainer = fit(small_world, config)
    assert trainer.best_scores is not None
    assert trainer.model.embedding.weight.isfinite().all()
