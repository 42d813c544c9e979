"""The regimes: their points, and slices of runs against a calculation by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.fake_runs import make_fake_run
from tests.reproduce.cases import outcomes_of, plan_of
from workbench.charts import regimes as chart
from workbench.config import DataConfig
from workbench.data.changes import history_groups
from workbench.errors import InputError
from workbench.presets import find_preset
from workbench.reproduce import make_regimes as module
from workbench.reproduce.jobs import hidden_table
from workbench.reproduce.make_regimes import make_regimes, regime_cells, slices
from workbench.reproduce.plan import CellPlan
from workbench.reproduce.regime_words import verdict
from workbench.reproduce.regimes import HIDDEN, HISTORY, PARTS, plan_regimes
from workbench.runs import RunStore
from workbench.runs.tables import write_table

DATA = DataConfig.model_validate({"planted": {"rows": 5000}})


def of_part(part: str, **named: object) -> list[CellPlan]:
    return plan_regimes(DATA, seeds=1, parts=[part], methods=["full"], **named)  # type: ignore[arg-type]


def test_every_part_has_a_base_at_every_point() -> None:
    plans = plan_regimes(DATA, seeds=2)
    assert {plan.about["part"] for plan in plans} == set(PARTS)
    places = {plan.place for plan in plans}
    assert all(sum(p.is_base for p in plans if p.place == place) == 1 for place in places)
    for plan in plans:
        assert [config.training.seed for config in plan.configs] == [0, 1]


def test_the_points_are_those_that_were_asked_for() -> None:
    shares = [plan.configs[0].data.change.flipped for plan in of_part("c") if plan.is_base]
    assert shares == [0.0, 0.1, 0.2, 0.3]
    cut, users, items = (plan.configs[0].data for plan in of_part("b") if plan.is_base)
    assert cut.change.history == (0, 1, 2, 5, 10, 20, 50)
    assert (users.split, items.split) == ("users", "items")
    assert of_part("d")[0].hidden == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    tails = [plan.configs[0].data.planted.user_tail for plan in of_part("f") if plan.is_base]
    assert tails == sorted(set(tails))
    assert len(tails) == 6
    decays = {plan.configs[0].training.weight_decay for plan in of_part("g")}
    assert {0.0, 1e-6, 1e-5, 1e-4} <= decays


def test_regularisation_holds_for_both_sides_but_id_dropout_for_the_base_alone() -> None:
    plans = of_part("g")
    by_point = {plan.about["point"]: plan for plan in plans if plan.is_base}
    others = {plan.about["point"]: plan for plan in plans if not plan.is_base}
    dropout = [p.configs[0].model.options for p in (by_point["dropout 0.3"], others["dropout 0.3"])]
    assert dropout == [{"dropout": 0.3}] * 2
    base = by_point["ID dropout 0.5"].configs[0]
    assert (base.method, base.rival.dropoutnet.share) == ("dropoutnet", 0.5)
    assert others["ID dropout 0.5"].configs[0].method == "full"
    assert "dropout 0.1" not in {p.about["point"] for p in of_part("g", models=["fm"])}


def test_weight_decay_reaches_embeddings_that_a_preset_gives_their_own() -> None:
    data = DataConfig(source="kuairand-pure", folder=".")
    own = find_preset("tuned", data.source, "fm", "base").settings["training"]
    assert own["embedding_weight_decay"] is not None
    plans = plan_regimes(data, seeds=1, parts=["g"], presets=["tuned"], models=["fm"])
    for plan in plans:
        if str(plan.about["point"]).startswith("weight decay"):
            training = plan.configs[0].training
            assert training.embedding_weight_decay is None
            assert plan.about["point"] == f"weight decay {training.weight_decay:g}"


def test_a_base_with_id_dropout_has_the_settings_of_the_tuned_base() -> None:
    """No search is made for it: only the dropout is added."""
    plans = plan_regimes(
        DataConfig(source="movielens-1m", folder="."),
        seeds=1,
        parts=["g"],
        presets=["tuned"],
        models=["fm"],
        methods=["full"],
    )
    base = next(plan for plan in plans if plan.about["point"] == "ID dropout 0.3" and plan.is_base)
    tuned = find_preset("tuned", "movielens-1m", "fm", "base")
    assert base.configs[0].training.lr == tuned.settings["training"]["lr"]
    assert base.configs[0].rival.name == "dropoutnet"
    assert base.trials == tuned.trials


def test_equal_runs_of_different_parts_are_made_once() -> None:
    keys = [
        plan.configs[0].fingerprint()
        for part, point in (("a", "all"), ("c", "0%"), ("d", "all"), ("e", "not hashed"))
        for plan in of_part(part)
        if plan.is_base and plan.about["point"] == point
    ]
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_unknown_parts_are_refused() -> None:
    with pytest.raises(InputError, match="--only z: must be of a, b"):
        plan_regimes(DATA, seeds=1, parts=["z"])


def test_activity_buckets_are_slices_of_one_run(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    outcomes = outcomes_of(store, ("base", 0), ("full", 0))
    about = {"part": "a", "point": "all", "order": 0}
    plan, base = plan_of("full", (0,), about), plan_of("base", (0,), about)
    cells = regime_cells(plan, base, outcomes, replicates=20)
    assert cells[-1]["point"] == "all users"
    table = outcomes.runs[plan.configs[0].fingerprint()].table("predictions")
    bucket = next(cell for cell in cells if cell["point"] == "10-29")
    rows = table[table["user_activity"].between(10, 29)]
    assert bucket["rows"] == len(rows)
    expected = roc_auc_score(rows["label"], rows["logit"])
    assert bucket["auc_mean"] == pytest.approx(expected, abs=1e-9)


def test_lengths_of_history_are_slices_by_group(tmp_path: Path) -> None:
    (plan,) = [p for p in of_part("b") if p.about["point"] == "cut" and p.is_base]
    run = make_fake_run(RunStore(tmp_path), variant="base")
    found = {label: rows for label, _, rows, _ in slices(plan, run)}
    users = run.table("predictions")["user"].to_numpy()
    groups = history_groups(300, plan.configs[0].data.change)
    assert set(found) <= {*map(str, HISTORY), "whole"}
    assert len(found) > 4
    for label, rows in found.items():
        group = -1 if label == "whole" else HISTORY.index(int(label))
        assert rows is not None
        assert rows.tolist() == (groups[users] == group).tolist()


def test_missing_values_take_the_logits_that_were_scored(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    outcomes = outcomes_of(store, ("base", 0), ("full", 0))
    about = {"part": "d", "point": "all", "order": 0}
    plan = plan_of("full", (0,), about, hidden=HIDDEN)
    base = plan_of("base", (0,), about, hidden=HIDDEN)
    draw = np.random.default_rng(0)
    for run in outcomes.runs.values():
        table = run.table("predictions")
        for share in HIDDEN[1:]:
            noise = draw.normal(0, 4 * share, len(table)).astype(np.float32)
            frame = table[["logit"]] + noise[:, None]
            write_table(run.path, hidden_table(share), frame)
    cells = regime_cells(plan, base, outcomes, replicates=10)
    assert [cell["point"] for cell in cells] == ["0%", "10%", "20%", "30%", "40%", "50%"]
    values = [cell["auc_mean"] for cell in cells]
    assert values[0] > values[2] > values[5]


def test_the_files_hold_every_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(tmp_path / "runs")
    about = {"part": "a", "point": "all", "order": 0}
    plans = [plan_of("base", (0,), about), plan_of("full", (0,), about)]
    outcomes = outcomes_of(store, ("base", 0), ("full", 0))
    monkeypatch.setattr(module, "run_all", lambda *arguments: outcomes)
    out = tmp_path / "out"
    made = make_regimes(plans, store, out, replicates=20)
    again = make_regimes(plans, store, out, replicates=20)
    assert made.cells == again.cells
    written = json.loads((out / "regimes.json").read_text())
    assert len(written["cells"]) == len(made.cells)
    assert written["missing"] == []
    assert "#### (a) For whom" in (out / "regimes.md").read_text()
    outcomes.runs.clear()
    outcomes.failed[plans[0].configs[0].fingerprint()] = "out of memory"
    gone = make_regimes(plans, store, out, replicates=20)
    assert gone.cells == []
    assert "base seed 0: out of memory" in gone.missing[0]["reason"]
    # What an earlier command found stays, and what is missing is said.
    written = json.loads((out / "regimes.json").read_text())
    assert len(written["cells"]) == len(made.cells)
    assert len(written["missing"]) == 1


def point(name: str, lift: float, half: float, **named: object) -> dict[str, object]:
    base = 0.8
    cell = {"part": "c", "point": name, "order": int(name.rstrip("%")), "data": "planted"}
    cell |= {"model": "fm", "variant": "full", "preset": "paper", "base_auc_mean": base}
    cell |= {"auc_mean": base * (1 + lift), "rela_impr": lift, "seeds": [0, 1]}
    cell |= {"ci_low": base * (lift - half), "ci_high": base * (lift + half)}
    return cell | {"users": 100, "rows": 1000} | named


def test_words_say_where_it_helps_and_where_it_hurts() -> None:
    cells = [point("0%", -0.002, 0.001), point("10%", 0.001, 0.002), point("30%", 0.02, 0.005)]
    assert verdict(cells) == (
        "AdaF2M2: better at **30% (+2.00%)**; worse at 0% (-0.20%); "
        "no difference that can be shown at 1 of 3 points."
    )


def test_the_chart_has_a_panel_per_question_and_says_the_extremes() -> None:
    cells = [point("0%", -0.002, 0.001), point("30%", 0.02, 0.005)]
    cells += [point("10%", 0.001, 0.01, part="d", variant="mask")]
    drawn = chart.chart(cells).to_dict()
    assert len(drawn["vconcat"]) == 2
    assert "Noise: labels turned around" in drawn["vconcat"][0]["title"]["text"]
    assert "best +2.00% at 30%" in drawn["description"]
    assert "worst -0.20% at 0%" in drawn["description"]
    assert "no clear difference" in drawn["description"]
    # The points of a panel stand over their places: no room is kept for variants it does not have.
    assert drawn["resolve"]["scale"]["xOffset"] == "independent"
    rooms = [panel["layer"][1]["encoding"]["xOffset"]["scale"] for panel in drawn["vconcat"]]
    assert rooms == [{"domain": ["AdaF2M2"]}, {"domain": ["Mask only"]}]
    frame = chart.frame(cells)
    assert frame["high"].tolist() == pytest.approx([-0.001, 0.025, 0.011])
