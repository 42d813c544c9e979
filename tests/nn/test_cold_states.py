"""Simulated cold states: whose history, which rows, what they show and what they train."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench.config import ColdStatesConfig, ExperimentConfig
from workbench.data.dataset import Batch, Dataset
from workbench.errors import InputError
from workbench.nn.build import model_for
from workbench.nn.cold_states import ColdStates
from workbench.nn.framework import AdaF2M2, task_loss
from workbench.nn.shadows import Shadows, draw_lengths, draw_rows, joined
from workbench.training import checkpoint
from workbench.training.hooks import Hooks, Record
from workbench.training.trainer import Trainer

USER, ITEM = 0, 1


def config_of(variant: str = "adapter", share: float = 0.5, **cold: Any) -> ExperimentConfig:
    return ExperimentConfig.parse(
        {
            "model": {"name": "youtube_dnn", "dim": 4, "options": {"hidden": [8]}},
            "framework": {"variant": variant, "cold_states": {"share": share, **cold}},
            "training": {"batch_size": 256, "epochs": 2, "lr": 0.01},
        }
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cold_of(model: AdaF2M2) -> ColdStates:
    assert model.cold_states is not None
    return model.cold_states


def side_of(model: AdaF2M2, side: int) -> Shadows:
    return cold_of(model)._shadows()[side]


@pytest.fixture(scope="module")
def model(small_world: Dataset) -> AdaF2M2:
    return model_for(config_of(), small_world)


@pytest.fixture(scope="module")
def batch(small_world: Dataset) -> Batch:
    return small_world.batch(small_world.splits["train"][:500])


def simulate(model: AdaF2M2, batch: Batch, share: float, seed: int = 0) -> Any:
    cold = cold_of(model)
    cold.config = ColdStatesConfig(share=share)
    return joined(cold(batch, model.embedding(batch.rows), model.embedding, seeded(seed)))


class TestDraws:
    def test_lengths_are_below_the_rows_and_evenly_drawn(self) -> None:
        rows = np.repeat([0, 1, 2, 3, 100], 4000)
        lengths = draw_lengths(rows, (5, 0, 2, 1), np.random.default_rng(0)).reshape(5, -1)
        possible = [{0}, {0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 5}]
        for drawn, expected in zip(lengths, possible, strict=True):
            values, times = np.unique(drawn, return_counts=True)
            assert set(values) == expected
            # Binomial: four standard deviations of a share of 4000 draws.
            share = 1 / len(expected)
            assert np.abs(times / 4000 - share).max() <= 4 * (share * (1 - share) / 4000) ** 0.5

    def test_no_length_is_short_enough(self) -> None:
        lengths = draw_lengths(np.array([1, 5, 6]), (5,), np.random.default_rng(0))
        assert lengths.tolist() == [0, 0, 5]

    def test_rows_belong_to_their_code_and_are_as_many_as_wanted(self) -> None:
        codes = np.array([3, 1, 0, 3, 1, 3, 2, 1, 0, 3])
        chosen = draw_rows(codes, np.array([9, 2, 0, 3]), np.random.default_rng(0))
        assert np.bincount(codes[chosen], minlength=4).tolist() == [0, 2, 0, 3]
        assert (np.diff(chosen) > 0).all()

    def test_every_row_of_a_code_is_as_likely(self) -> None:
        rng = np.random.default_rng(1)
        codes, length = np.array([1, 1, 1, 1]), np.array([0, 1])
        drawn = np.concatenate([draw_rows(codes, length, rng) for _ in range(4000)])
        assert np.abs(np.bincount(drawn) / 4000 - 0.25).max() < 4 * (0.25 * 0.75 / 4000) ** 0.5


class TestHistories:
    @pytest.mark.parametrize("side", [USER, ITEM])
    def test_counts_and_support_by_loops(
        self, model: AdaF2M2, small_world: Dataset, side: int
    ) -> None:
        shadows = side_of(model, side)
        histories = shadows._prepared()
        support = histories.support
        codes = shadows.codes(support.rows)
        own = torch.bincount(codes, minlength=shadows.slot.size)
        assert torch.equal(own, histories.length)
        trained = small_world.training_counts(shadows.slot.name)
        assert ((histories.length < trained) | (histories.length == 0)).all()
        counts = small_world.schema.counts
        assert [counts[i].feature for i in shadows.columns] == [shadows.slot.name] * len(
            shadows.columns
        )
        labels = small_world.schema.labels
        for place, column in enumerate(shadows.columns):
            event = counts[column].event
            happened = torch.ones(len(support)) if event is None else None
            if happened is None:
                happened = support.labels[:, labels.index(event)]
            total = torch.zeros(shadows.slot.size)
            for code, value in zip(codes.tolist(), happened.tolist(), strict=True):
                total[code] += value
            assert torch.equal(histories.counts[:, place], total)
            assert torch.equal(support.counts[:, column], total[codes] - happened)

    def test_the_seed_draws_them(self, small_world: Dataset) -> None:
        def pairs(seed: int) -> Tensor:
            shadows = side_of(model_for(config_of(), small_world), USER)
            shadows.prepare(small_world, (1, 2), np.random.default_rng(seed))
            return shadows._prepared().pairs

        assert torch.equal(pairs(0), pairs(0))
        assert not torch.equal(pairs(0), pairs(1))

    def test_without_them_training_stops(self, small_world: Dataset, batch: Batch) -> None:
        untrained = model_for(config_of(), small_world)
        for shadows in cold_of(untrained)._shadows():
            shadows.histories = None
        with pytest.raises(RuntimeError, match="no histories"):
            untrained.losses(batch, seeded())


class TestShown:
    def test_query_rows_show_shadow_and_cut_counts(self, model: AdaF2M2, batch: Batch) -> None:
        vectors = model.embedding(batch.rows)
        masks = model.embedding.mask_vectors()
        seen = simulate(model, batch, share=1.0)
        expected, counts = vectors.clone(), batch.counts.clone()
        queries = 0
        for shadows in cold_of(model)._shadows():
            histories = shadows._prepared()
            history = set(shadows._pairs(histories.support.rows).tolist())
            pairs = shadows._pairs(batch.rows).tolist()
            for i, code in enumerate(shadows.codes(batch.rows).tolist()):
                if code == 0 or pairs[i] in history:
                    continue
                empty = histories.length[code] == 0
                shown = masks[shadows.position] if empty else shadows.weight[code]
                expected[i, shadows.position] = shown
                counts[i, shadows.columns] = histories.counts[code]
                for place, slot in enumerate(model.embedding.layout.slots):
                    if shadows.slot.name == "user_id" and slot.kind == "sequence":
                        expected[i, place] = masks[place]  # a short history has next to none
                queries += 1
        assert 500 < queries < 1000  # two sides of 500 rows, without the shadows' own
        assert torch.equal(seen.vectors[: len(batch)], expected)
        assert torch.equal(seen.counts[: len(batch)], counts)
        assert torch.equal(seen.labels[: len(batch)], batch.labels)

    def test_share_zero_shows_every_sample_as_it_is(self, model: AdaF2M2, batch: Batch) -> None:
        seen = simulate(model, batch, share=0.0)
        assert torch.equal(seen.vectors[: len(batch)], model.embedding(batch.rows))
        assert torch.equal(seen.counts[: len(batch)], batch.counts)

    def test_share_of_the_samples(self, model: AdaF2M2, small_world: Dataset) -> None:
        train = small_world.batch(small_world.splits["train"])
        changed = {
            share: (simulate(model, train, share).counts[: len(train)] != train.counts).any(1)
            for share in (0.3, 1.0)
        }
        possible = changed[1.0].sum().item()
        # A sample is shown where either side is: 1 - 0.7^2, a little less where one cannot be.
        share = changed[0.3].sum().item() / possible
        assert 0.3 < share < 0.51 + 4 * (0.51 * 0.49 / possible) ** 0.5

    @pytest.mark.parametrize("side", [USER, ITEM])
    def test_support_rows_are_due_once_an_epoch(
        self, model: AdaF2M2, small_world: Dataset, side: int
    ) -> None:
        shadows = side_of(model, side)
        support = shadows._prepared().support
        drawn = shadows.support(0.25, model.embedding, seeded())
        assert len(drawn.labels) == round(0.25 * len(support))
        everything = {tuple(row) for row in torch.cat((support.counts, support.labels), 1).tolist()}
        rows = torch.cat((drawn.counts, drawn.labels), 1).tolist()
        assert {tuple(row) for row in rows} <= everything


class TestGradients:
    def test_queries_do_not_train_shadows_and_support_rows_do(
        self, model: AdaF2M2, batch: Batch
    ) -> None:
        for part, trained in ((slice(len(batch)), False), (slice(len(batch), None), True)):
            model.zero_grad(set_to_none=True)
            seen = simulate(model, batch, share=1.0)
            loss = task_loss(model.serve(seen.vectors[part], seen.counts[part]), seen.labels[part])
            loss.backward()
            for shadows in cold_of(model)._shadows():
                gradient = shadows.weight.grad
                assert (gradient is not None and bool(gradient.any())) == trained

    def test_an_empty_history_trains_its_mask(self, small_world: Dataset, batch: Batch) -> None:
        model = model_for(config_of(histories=[0]), small_world)
        simulated = cold_of(model)
        seen, support = simulated(batch, model.embedding(batch.rows), model.embedding, seeded())
        assert len(support.labels) == 0
        seen.vectors.sum().backward()
        gradient = model.embedding.weight.grad
        for shadows in simulated._shadows():
            assert gradient[shadows.slot.mask_row].all()


class TestModel:
    @pytest.mark.parametrize("variant", ["base", "adapter", "full"])
    def test_serving_and_the_start_are_unchanged(
        self, small_world: Dataset, batch: Batch, variant: str
    ) -> None:
        plain = model_for(config_of(variant, share=0.0), small_world)
        cold = model_for(config_of(variant), small_world)
        assert plain.cold_states is None
        for name, value in plain.state_dict().items():
            assert torch.equal(value, cold.state_dict()[name]), name
        with torch.no_grad():
            for shadows in cold_of(cold)._shadows():
                shadows.weight.fill_(float("nan"))
            assert torch.equal(cold.eval()(batch), plain.eval()(batch))

    def test_main_loss_is_that_of_the_simulated_samples(
        self, small_world: Dataset, batch: Batch
    ) -> None:
        model = model_for(config_of(), small_world)
        losses = model.losses(batch, seeded(3))
        parts = cold_of(model)(batch, model.embedding(batch.rows), model.embedding, seeded(3))
        seen = joined(parts)
        assert len(seen.labels) > len(batch)
        expected = task_loss(model.serve(seen.vectors, seen.counts), seen.labels)
        assert torch.equal(losses.main, expected)
        assert torch.equal(losses.total, losses.main)

    def test_masked_copies_are_made_of_the_samples_as_they_are(
        self, small_world: Dataset, batch: Batch
    ) -> None:
        """The auxiliary loss is the paper's: it sees no shadow and no support row."""
        model = model_for(config_of("full"), small_world)
        before = model.losses(batch, seeded()).auxiliary
        with torch.no_grad():
            for shadows in cold_of(model)._shadows():
                shadows.weight.fill_(float("nan"))
        assert torch.equal(model.losses(batch, seeded()).auxiliary, before)

    @pytest.mark.parametrize("side", ["user", "item"])
    def test_one_side_leaves_the_other_as_it_is(
        self, small_world: Dataset, batch: Batch, side: str
    ) -> None:
        model = model_for(config_of(share=1.0, sides=[side]), small_world)
        (shadows,) = cold_of(model)._shadows()
        assert shadows.slot.name == getattr(small_world.schema, side)
        seen, _ = cold_of(model)(batch, model.embedding(batch.rows), model.embedding, seeded())
        other = model.embedding.layout.names.index(
            small_world.schema.item if side == "user" else small_world.schema.user
        )
        vectors = model.embedding(batch.rows)[:, other]
        assert torch.equal(seen.vectors[: len(batch), other], vectors)
        assert not torch.equal(seen.counts[: len(batch)], batch.counts)

    def test_trains_and_repeats_to_the_bit(self, small_world: Dataset) -> None:
        weights = []
        for _ in range(2):
            config = config_of("full", share=0.3)
            trainer = Trainer(model_for(config, small_world), small_world, config.training)
            before = [s.weight.clone() for s in cold_of(trainer.model)._shadows()]
            trainer.fit()
            weights.append(trainer.model.state_dict())
            for shadows, old in zip(cold_of(trainer.model)._shadows(), before, strict=True):
                assert not torch.equal(shadows.weight, old)
        assert weights[0].keys() == weights[1].keys()
        for name, value in weights[0].items():
            assert torch.equal(value, weights[1][name]), name

    def test_resumed_equals_uninterrupted(self, small_world: Dataset) -> None:
        """Shadows, their optimiser group and the draws go on to the bit; histories are redrawn."""
        config = config_of("full", share=0.3).model_dump()
        config["training"] |= {"embedding_eps": 1e-3, "embedding_lr": 0.03, "patience": 5}
        parsed = ExperimentConfig.parse(config)

        def trainer() -> Trainer:
            return Trainer(model_for(parsed, small_world), small_world, parsed.training)

        whole = trainer()
        whole.fit()

        class StopAfterOne(Hooks):
            def epoch(self, trainer: Trainer, record: Record, improved: bool) -> None:
                trainer.stop_requested = True

        first = trainer()
        first.hooks = StopAfterOne()
        first.fit()
        first.model.load_state_dict(first.best_weights)  # one epoch: the best are the last
        second = trainer()
        checkpoint.unpack(second, *checkpoint.pack(first))
        second.fit()
        assert (second.epoch, whole.epoch) == (2, 2)
        for name, value in whole.model.state_dict().items():
            assert torch.equal(value, second.model.state_dict()[name]), name


class TestAdapterAlone:
    """``trains: adapter``: each part of the loss trains what it is there for, and nothing else."""

    def gradients(self, dataset: Dataset, batch: Batch, share: float, *, trains: str) -> Any:
        model = model_for(config_of("adapter", share, trains=trains), dataset)
        model.losses(batch, seeded()).total.backward()
        return {name: p.grad for name, p in model.named_parameters()}

    def test_query_rows_train_the_adapter_alone(self, small_world: Dataset, batch: Batch) -> None:
        """All that is not the adapter's or the shadows' learns as if nothing was simulated."""
        many = self.gradients(small_world, batch, 1.0, trains="adapter")
        few = self.gradients(small_world, batch, 1e-9, trains="adapter")
        plain = self.gradients(small_world, batch, 0.0, trains="all")
        for name, gradient in plain.items():
            if name.startswith("adapter"):
                assert few[name] is None  # no query row was drawn, and nothing else trains it
            else:
                torch.testing.assert_close(many[name], gradient)
                torch.testing.assert_close(few[name], gradient)
        assert many["adapter.h.2.weight"].any()

    def test_support_rows_train_the_shadows(self, small_world: Dataset, batch: Batch) -> None:
        found = self.gradients(small_world, batch, 1e-9, trains="adapter")
        assert found["cold_states.shadows.0.weight"].any()
        assert found["cold_states.shadows.1.weight"].any()

    def test_every_row_counts_the_same(self, small_world: Dataset, batch: Batch) -> None:
        model = model_for(config_of("adapter", 0.5, trains="adapter"), small_world)
        loss = model.losses(batch, seeded(4)).main
        cold = cold_of(model)
        seen, support = cold(batch, model.embedding(batch.rows), model.embedding, seeded(4))
        query = joined([type(seen)(*(part[seen.shown] for part in seen)), support])
        logit = torch.cat((model(batch), model.serve(query.vectors, query.counts)))
        labels = torch.cat((batch.labels, query.labels))
        total = task_loss(logit, labels) * len(labels) / len(batch)
        torch.testing.assert_close(loss, total)
        assert 0.3 * len(batch) < seen.shown.sum() < len(batch)

    def test_parameters_go_on_training_afterwards(self, small_world: Dataset, batch: Batch) -> None:
        model = model_for(config_of("full", 0.5, trains="adapter"), small_world)
        model.losses(batch, seeded())
        assert all(parameter.requires_grad for parameter in model.parameters())

    @pytest.mark.parametrize("variant", ["base", "mask"])
    def test_needs_an_adapter(self, variant: str) -> None:
        with pytest.raises(InputError, match="only adapter and full have one"):
            config_of(variant, 0.5, trains="adapter")
