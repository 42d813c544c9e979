"""Which runs belong to a surface, and the surface against the paired comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fake_runs import make_fake_run
from workbench.errors import InputError
from workbench.insight.auc_by_bucket import auc_by_bucket
from workbench.insight.surface_runs import bases_of, cells_of, surface_of_runs
from workbench.lab.grid import Grid, missing, seconds_for
from workbench.runs import Run, RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Two seeds of base; two cells, one of them in one seed only."""
    store = RunStore(tmp_path)
    for seed in (0, 1):
        make_fake_run(store, variant="base", seed=seed, name=f"base-s{seed}")
        full(store, f"full-s{seed}", seed, alpha=0.2)
    full(store, "strong-s0", 0, alpha=0.4, mask_range=[0.3, 0.7])
    return store


def full(store: RunStore, name: str, seed: int = 0, **framework: Any) -> Run:
    overrides = {"framework": {"variant": "full", "k": 2, **framework}}
    return make_fake_run(store, variant="full", seed=seed, name=name, overrides=overrides)


def test_cells_hold_runs_that_differ_by_the_axes_and_seed_alone(store: RunStore) -> None:
    full(store, "scaled", alpha=0.2, weight_scale=2.0)
    full(store, "another-way", alpha=0.4, k=1)
    make_fake_run(store, variant="mask", name="mask-s0")
    moved = {"training": {"epochs": 3, "changes": [{"epoch": 1, "step": 0, "alpha": 0.4}]}}
    make_fake_run(store, variant="full", name="steered", overrides=moved)
    cells = cells_of(store.open("base-s0"), store.list(), "full")
    names = {setting: [run.name for run in runs] for setting, runs in cells.items()}
    assert names == {
        # The same weight of the copies, with another number of them.
        (0.4, 0.1, 0.5): ["another-way", "full-s0", "full-s1"],
        (0.8, 0.3, 0.7): ["strong-s0"],
    }


def test_the_surface_equals_the_paired_comparison(store: RunStore) -> None:
    runs = store.list()
    base = store.open("base-s0")
    bases, cells = bases_of(base, runs), cells_of(base, runs, "full")
    assert sorted(bases) == [0, 1]
    frame, optimum = surface_of_runs(bases, cells, replicates=200)
    weak, strong = frame.to_dict("records")
    expected, _ = auc_by_bucket(
        [bases[0], bases[1]], [store.open("full-s0"), store.open("full-s1")], replicates=200
    )
    whole = expected[expected["bucket"] == "all"].iloc[0]
    assert weak["delta"] == pytest.approx(whole["delta"], abs=1e-9)
    assert weak["ci_low"] == pytest.approx(whole["ci_low"], abs=0.004)
    assert (weak["seeds"], strong["seeds"], strong["run"]) == (2, 1, "strong-s0")
    # The fake runs all say the same validation AUC.
    assert weak["valid_delta"] == 0
    best = max((weak, strong), key=lambda row: row["delta"])
    assert optimum["aux_weight"].value == best["aux_weight"]
    assert frame["wins"].sum() == pytest.approx(1)


def test_runs_of_a_seed_without_base_are_left_out(store: RunStore) -> None:
    base = store.open("base-s0")
    cells = cells_of(base, store.list(), "full")
    frame, _ = surface_of_runs({0: base}, cells, replicates=50)
    assert frame["runs"].tolist() == [1, 1]
    with pytest.raises(InputError, match="seed of a base run"):
        surface_of_runs({5: base}, cells)


def test_what_is_missing(store: RunStore) -> None:
    base, runs = store.open("base-s0"), store.list()
    bases, cells = bases_of(base, runs), cells_of(base, runs, "full")
    wanted = Grid("full", (0.2, 0.4), 2, ((0.1, 0.5), (0.3, 0.7)), (0, 1, 2))
    configs = missing(base, bases, cells, wanted)
    places = [
        (c.framework.variant.value, c.framework.alpha, c.framework.mask_range, c.training.seed)
        for c in configs
    ]
    assert places[0][0::3] == ("base", 2)
    assert places[1:] == [
        ("full", 0.2, (0.1, 0.5), 2),
        *[("full", 0.4, (0.1, 0.5), seed) for seed in (0, 1, 2)],
        *[("full", 0.2, (0.3, 0.7), seed) for seed in (0, 1, 2)],
        *[("full", 0.4, (0.3, 0.7), seed) for seed in (1, 2)],
    ]
    # What is queued already is not missing, and all that was missing fills the surface.
    assert missing(base, bases, cells, wanted, configs[:4]) == configs[4:]
    for config in configs:
        own = config.framework
        make_fake_run(
            store,
            variant=own.variant.value,
            seed=config.training.seed,
            overrides={
                "framework": {"variant": own.variant.value, "alpha": own.alpha, "k": own.k}
                | {"mask_range": list(own.mask_range)}
            },
        )
    runs = store.list()
    assert missing(base, bases_of(base, runs), cells_of(base, runs, "full"), wanted) == []


def test_the_estimate_goes_by_the_runs_there_are(store: RunStore) -> None:
    base, runs = store.open("base-s0"), store.list()
    bases, cells = bases_of(base, runs), cells_of(base, runs, "full")
    configs = missing(base, bases, cells, Grid("full", (0.1,), 2, ((0.1, 0.5),), (0, 1, 2)))
    # One base run and three masked ones; every fake run took 12 s.
    assert seconds_for(configs, bases, cells, 1) == (48.0, False)
    assert seconds_for(configs, bases, cells, 2) == (24.0, False)
    # Without a masked run to go by, k copies cost at most as much as k samples.
    assert seconds_for(configs, bases, {}, 1) == (12.0 + 3 * 36.0, True)
