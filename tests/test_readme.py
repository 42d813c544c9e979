"""What the README shows must be what the project does."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

import workbench
from tests import written_tables
from tests.written_tables import cells_of
from workbench.charts import speed
from workbench.cli import build_parser


@pytest.fixture(scope="module")
def readme(project_root: Path) -> str:
    return (project_root / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    exec(example, {})
    printed = capsys.readouterr().out
    assert "auc=0." in printed
    assert "tensor(" in printed


def test_the_package_example_runs() -> None:
    result = doctest.testmod(workbench)
    assert result.attempted > 5
    assert result.failed == 0


def test_its_tables_are_the_committed_figures(readme: str) -> None:
    kinds = {kind for kind, _ in written_tables.blocks(readme)}
    assert kinds == {"last", "reliability"}
    assert readme == written_tables.renewed(readme)


def test_the_page_of_speeds_is_that_of_its_rows(project_root: Path) -> None:
    results = project_root / "data" / "results"
    page = (results / "speed.md").read_text(encoding="utf-8")
    assert page == speed.markdown(speed.read(results / "speed.json"))


def test_what_it_finds_is_what_was_found(readme: str, project_root: Path) -> None:
    results = project_root / "data" / "results"
    (section,) = re.findall(r"## What it finds.*?(?=\n## )", readme, re.DOTALL)
    text = " ".join(section.split())
    third, second, fourth = (
        {
            (cell["data"], cell["model"], cell["variant"]): cell
            for cell in cells_of(results / f"table{number}.json")
        }
        for number in (3, 2, 4)
    )
    gains = {key[1]: cell for key, cell in third.items() if key[2] == "full"}
    reached = [m for m, cell in gains.items() if cell["rela_impr"] >= cell["paper_rela_impr"]]
    assert sorted(reached) == ["afn", "fm"]
    assert (
        "Two of five models gain at least what the paper says, AFN not for sure over seeds "
        f"(p = {gains['afn']['p_value']:.2g})"
    ) in text
    assert [m for m in reached if gains[m]["p_value"] > 0.05] == ["afn"]
    euler, youtube = gains["euler_net"], gains["youtube_dnn"]
    for cell, low, high in ((euler, 0.35, 0.45), (youtube, 0.45, 0.55)):
        assert low < cell["rela_impr"] / cell["paper_rela_impr"] < high
        assert cell["ci_low"] > 0
    assert (
        f"YouTube DNN gains half of it (p = {youtube['p_value']:.2g}), EulerNet two fifths "
        f"(p = {euler['p_value']:.2g})"
    ) in text
    assert {len(cell["seeds"]) for cell in gains.values()} == {5}
    assert gains["dcn_v2"]["ci_low"] < 0 < gains["dcn_v2"]["ci_high"]
    best = max(gains.values(), key=lambda cell: float(cell["base_auc_mean"]))
    assert best["model"] == "dcn_v2"
    towers = fourth["movielens-1m", "two_tower", "full"]
    assert f"two-tower model much more**, {towers['rela_impr']:+.2%}: its adapter" in text
    short = {key[1]: cell for key, cell in second.items() if key[::2] == ("kuairand-pure", "full")}
    afn, euler = (f"{short.pop(model)['rela_impr']:+.2%}" for model in ("afn", "euler_net"))
    assert f"AFN gains {afn} and EulerNet {euler}; for FM, YouTube DNN" in text
    short["two_tower"] = fourth["kuairand-pure", "two_tower", "full"]
    assert sorted(short) == ["dcn_v2", "fm", "two_tower", "youtube_dnn"]
    assert all(cell["ci_low"] < 0 < cell["ci_high"] for cell in short.values())
    where = {
        (cell["part"], cell["point"]): f"{cell['rela_impr']:+.1%}"
        for cell in cells_of(results / "regimes.json")
        if (cell["data"], cell["preset"], cell["variant"]) == ("movielens-1m", "tuned", "full")
    }
    assert f"({where['d', '50%']} with half of the values missing)" in text
    assert f"has never seen** ({where['b', 'new users']})" in text


def test_what_the_readme_says_of_a_processor_is_what_was_measured(
    readme: str, project_root: Path
) -> None:
    rows = [
        row
        for row in speed.read(project_root / "data" / "results" / "speed.json")
        if row["device"] == "cpu"
    ]

    def ratios(model: str, processor: str, mode: str = "float32") -> dict[int, str]:
        where = ("training speed", model, processor, mode)
        return {
            row["batch_size"]: f"{row['ratio']:.1f}"
            for row in rows
            if (row["name"], row["model"], speed.processor(row), row["mode"]) == where
            and row["fastest"]
        }

    def times(model: str, processor: str = "AMD EPYC") -> str:
        found = ratios(model, processor)
        return f"{found[256]} and {found[4096]} times"

    xeon = "Intel Xeon"
    fast = [ratios(model, xeon, "bf16+compile") for model in ("dcn_v2", "dnn", "fm")]
    short = {
        (row["model"], row["batch_size"])
        for row in rows
        if (row["name"], row["mode"], speed.processor(row)) == ("training speed", "float32", xeon)
        if row["fastest"] and row["ratio"] < row["goal"]
    }
    assert short == {(model, size) for model in ("dcn_v2", "fm") for size in (256, 4096)}

    cost, costs_on_xeon = (
        {
            (row["model"], row["batch_size"]): f"{1 / row['ratio']:.1f}"
            for row in rows
            if (row["name"], speed.processor(row)) == ("masked copies, k = 3", processor)
        }
        for processor in ("AMD EPYC", xeon)
    )
    evaluation = min(r["ratio"] for r in rows if r["name"] == "evaluation of the test rows")
    (rounded,) = (
        row
        for row in rows
        if (row["name"], row["mode"]) == ("test AUC of the last epoch", "bf16+compile")
    )
    dead = {
        row["model"]: f"{row['ratio']:.1f}"
        for row in rows
        if row["name"] == "step with 30% of the units dead"
    }
    said = " ".join(readme.split())
    for text in (
        f"training is {times('dcn_v2')} as fast as the fastest of the four for DCN-V2, "
        f"{times('dnn')} for DNN, {times('fm')} for FM",
        f"training is {times('dcn_v2', xeon)} as fast as the faster of them for DCN-V2, "
        f"{times('dnn', xeon)} for DNN, {times('fm', xeon)} for FM: DCN-V2 and FM fall short",
        f"training at 4,096 is {fast[0][4096]} times as fast as they are for DCN-V2, "
        f"{fast[1][4096]} for DNN and {fast[2][4096]} for FM, but {fast[0][256]}, {fast[1][256]} "
        f"and {fast[2][256]} times at 256 (goal 3); it moves DCN-V2's test AUC by "
        f"{abs(rounded['ours'] - rounded['theirs']):.4f}.",
        f"k = 3 costs {costs_on_xeon['dcn_v2', 4096]} base steps of DCN-V2 at 4,096.",
        f"evaluation is {evaluation:.1f} times as fast as RecBole's",
        f"k = 3 costs {cost['dcn_v2', 256]} base steps of DCN-V2 and YouTube DNN at 256, but "
        f"{cost['dcn_v2', 4096]} and {cost['youtube_dnn', 4096]} at 4,096 (goal 2.8)",
        f"on a Xeon with 30% of the units dead, steps of DCN-V2 are {dead['dcn_v2']} times and "
        f"those of EulerNet {dead['euler_net']} times as fast",
    ):
        assert text in said
    assert cost["dcn_v2", 256] == cost["youtube_dnn", 256]


def test_what_the_readme_says_of_a_gpu_is_what_was_measured(
    readme: str, project_root: Path
) -> None:
    rows = speed.read(project_root / "data" / "results" / "speed.json")

    def row(name: str, mode: str = "float32", size: int | None = 4096) -> dict[str, Any]:
        (found,) = (
            one
            for one in rows
            if (one["name"], one["mode"], one["batch_size"]) == (name, mode, size)
            and one["device"] == "NVIDIA H100 80GB HBM3"
        )
        return found

    modes = ("float32", "tf32", "tf32+compile", "bf16+compile")
    epoch = {mode: row("an epoch of training", mode)["ours"] for mode in modes}
    cost = {mode: 1 / row("masked copies, k = 3", mode)["ratio"] for mode in modes}
    together = {
        (mode, size): 1 / row("16 models side by side", mode, size)["ratio"]
        for mode, size in (("base", 256), ("base, tf32, compiled", 256), ("base", 4096))
    }
    step = row("captured step")
    auc = row("auc of 100,000,000 rows", "exact", None)
    said = " ".join(readme.split())
    for text in (
        f"takes {epoch['float32']:.3f} s, {epoch['tf32']:.3f} s with `--precision tf32`, and "
        f"{epoch['tf32+compile']:.3f} s with `--compile` beside it",
        f"is {row('training speed')['ratio']:.0f} times as fast as RecBole's on the same card",
        f"100 million rows takes {1000 * auc['ours']:.0f} ms",
        f"at a batch of 256 take {together['base, tf32, compiled', 256]:.1f} steps of one in tf32, "
        f"compiled, and {together['base', 256]:.1f} in float32 (goal 2); at 4,096",
        f"they take {together['base', 4096]:.1f}.",
        f"k = 3 costs {cost['float32']:.1f} base steps in float32, "
        f"{cost['tf32+compile']:.1f} in tf32, compiled, and {cost['bf16+compile']:.1f} in bf16, "
        "compiled: short of the goal of 1.3",
        f"is {step['kernels_per_step']:.0f} kernels that reach {step['share_of_compute']:.0%}",
        f"products alone reach {step['share_of_compute_of_products_alone']:.0%}",
    ):
        assert text in said


def test_what_the_profile_says_float32_cannot_reach(project_root: Path) -> None:
    profile = (project_root / "data" / "results" / "gpu.md").read_text(encoding="utf-8")
    share = float(re.findall(r"Tflop/s: ([\d.]+)% over the step", profile)[0])
    assert 3 * share > 30  # of a base step, which is all that 1.3 base steps leave for three copies
    said = " ".join(profile.split())
    assert f"would take {share}% of its time" in said
    assert f"those of three copies take {3 * share:.1f}% of a base step" in said


def test_every_command_of_the_readme_parses(readme: str) -> None:
    (block,) = re.findall(r"## Command line\n\n```\n(.*?)```", readme, re.DOTALL)
    commands = [line.split("#")[0].split() for line in block.splitlines()]
    assert len(commands) > 4
    for name, *arguments in commands:
        assert name == "workbench"
        build_parser().parse_args([argument.replace("...", "") for argument in arguments])


def test_every_picture_and_link_is_there(readme: str, project_root: Path) -> None:
    places = re.findall(r"\]\((?!https?:)([^)#]+)\)", readme)
    assert len(places) > 3
    assert [place for place in places if not (project_root / place).exists()] == []


def test_what_the_readme_says_of_regimes_is_what_was_found(readme: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "regimes.json")

    def lifts_on(data: str) -> dict[tuple[str, str, str], dict[str, Any]]:
        own = (data, "fm", "tuned")
        return {
            (cell["variant"], cell["part"], cell["point"]): cell
            for cell in cells
            if (cell["data"], cell["model"], cell["preset"]) == own
        }

    lifts, hashed = lifts_on("movielens-1m"), lifts_on("kuairand-pure")

    def lift(
        part: str,
        point: str,
        variant: str = "full",
        of: dict[tuple[str, str, str], dict[str, Any]] = lifts,
    ) -> str:
        cell = of[variant, part, point]
        assert cell["ci_low"] > 0 or cell["ci_high"] < 0
        return f"{cell['rela_impr']:+.1%}"

    (section,) = re.findall(r"## When to use the framework.*?(?=\n## )", readme, re.DOTALL)
    text = " ".join(section.split())
    for said in (
        f"{lift('d', '10%')} AUC at 10% missing values, {lift('d', '50%')} at 50%",
        f"Alone they give {lift('d', '50%', 'mask')} at 50%, "
        f"the adapter alone {lift('d', '50%', 'adapter')}",
        f"masked copies alone cost {lift('a', 'all users', 'mask').removeprefix('-')}",
        f"{lift('c', '10%')} with 10% of the training labels turned around, "
        f"{lift('c', '30%')} with 30%",
        f"Alone masked copies give {lift('c', '30%', 'mask')} with 30%, "
        f"the adapter {lift('c', '30%', 'adapter')};",
        f"{lift('a', '30-99')} for users with 10 to 99 training events",
        f"{lift('a', '300-999')} beyond",
        f"it is worth {lift('b', 'whole')} to the *other* half",
        f"{lift('b', 'new users')} for new users, {lift('b', 'new items')} for new items, "
        f"{lift('b', '0')} for users whose history is cut to nothing",
        f"The adapter alone costs {lift('b', 'new users', 'adapter')} and "
        f"{lift('b', 'new items', 'adapter')} there",
    ):
        assert said in text
    whole = hashed["full", "e", "not hashed"]
    for said in (
        f"{lift('e', '2000', of=hashed)} with each kind of ID hashed into 2,000 buckets, "
        f"{lift('e', '50', of=hashed)} with 50;",
        f"Alone it gives {lift('e', '50', 'adapter', hashed)} with 50, "
        f"masked copies alone {lift('e', '50', 'mask', hashed)}.",
        f"its {hashed['full', 'a', '30-99']['users']} users with 30 to 99 events gain "
        f"{lift('a', '30-99', of=hashed)}, with the adapter alone "
        f"{lift('a', '30-99', 'adapter', hashed)};",
        f"every ID in its own place the same model gains {whole['rela_impr']:+.1%} there, which "
        "cannot be told from nothing",
    ):
        assert said in text
    assert whole["ci_low"] < 0 < whole["ci_high"]
    little = [hashed["full", "g", f"weight decay {decay}"] for decay in ("0", "1e-06", "1e-05")]
    assert all(cell["ci_high"] < 0 for cell in little)
    least, most = (-pick(cell["rela_impr"] for cell in little) for pick in (max, min))
    assert f"the framework costs {least:.1%} to {most:.1%}, and with 1e-4 no difference" in text
    enough = hashed["full", "g", "weight decay 0.0001"]
    assert enough["ci_low"] < 0 < enough["ci_high"]
    for point in ("0", "1e-06", "1e-05", "0.0001"):
        alone = hashed["adapter", "g", f"weight decay {point}"]
        assert alone["ci_low"] < 0 < alone["ci_high"]
    assert "the adapter alone costs nothing that shows" in text
    dnn = [
        cell
        for cell in cells
        if (cell["part"], cell["model"], cell["variant"]) == ("g", "youtube_dnn", "full")
    ]
    worst = max(-cell["rela_impr"] for cell in dnn if cell["point"].startswith("weight decay"))
    assert f"YouTube DNN loses at most {worst:.2%} there" in text
    beside = [cell for cell in dnn if "dropout" in cell["point"]]
    assert {cell["point"].split(" 0.")[0] for cell in beside} == {"dropout", "ID dropout"}
    assert all(cell["ci_low"] < 0 < cell["ci_high"] for cell in beside)
    assert {len(cell["seeds"]) for cell in dnn} == {3}
    tails = {
        variant: {
            float(cell["point"]): cell
            for cell in cells
            if (cell["part"], cell["preset"], cell["variant"]) == ("f", "paper", variant)
        }
        for variant in ("full", "mask", "adapter")
    }
    tail = tails["full"]
    loss = {strength: f"{-cell['rela_impr']:.2%}" for strength, cell in tail.items()}
    assert f"FM loses {loss[0.5]} where users are about equally active (0.5 standard" in text
    between = sorted(tail[strength]["rela_impr"] for strength in (1, 1.5, 2))
    assert f"{-between[0]:.2%} to {-between[-1]:.2%} between 1 and 2" in text
    for strength, cell in tail.items():
        assert (cell["ci_high"] < 0) if strength <= 2 else (cell["ci_low"] < 0 < cell["ci_high"])
        assert len(cell["seeds"]) == 3
    alone = sorted(-cell["rela_impr"] for cell in tails["mask"].values())
    assert all(cell["ci_high"] < 0 for cell in tails["mask"].values())
    assert f"Masked copies alone cost {alone[0]:.2%} to {alone[-1]:.2%} in all of these" in text
    natural = tails["adapter"][2.486]
    assert natural["ci_low"] > 0
    assert f"the adapter alone gains {natural['rela_impr']:.2%} at 2.5" in text
    assert lift("a", "10-29") == lift("a", "30-99")
    assert (
        2.5
        < lifts["full", "b", "whole"]["rela_impr"] / lifts["full", "a", "all users"]["rela_impr"]
        < 3.5
    )
