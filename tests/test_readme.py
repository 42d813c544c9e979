"""What the README shows must be what the project does."""

from __future__ import annotations

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench.charts import speed
from workbench.cli import build_parser
from workbench.insight.cells import markdown
from workbench.reproduce.markdown import short_markdown, table_markdown
from workbench.reproduce.paper import TABLE_2_SMALL, TABLE_3
from workbench.reproduce.tables import TABLES


@pytest.fixture(scope="module")
def readme(project_root: Path) -> str:
    return (project_root / "README.md").read_text(encoding="utf-8")


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The cells of committed results."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


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


def test_the_tables_are_the_committed_results(readme: str, project_root: Path) -> None:
    tables = re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- end of table -->", readme, re.DOTALL)
    assert tables
    for name, table in tables:
        assert table == markdown(cells_of(project_root / name))


def test_the_table_of_speed_is_the_committed_one(readme: str, project_root: Path) -> None:
    ((name, shown),) = re.findall(
        r"<!-- lines: (\S+) -->\n(.*?)<!-- end of lines -->", readme, re.DOTALL
    )
    lines = (project_root / name).read_text(encoding="utf-8").splitlines()
    assert shown.splitlines() == [line for line in lines if line.startswith("|")]
    made_of = json.loads((project_root / name).with_suffix(".json").read_text(encoding="utf-8"))
    assert speed.markdown(made_of["rows"]).splitlines() == lines


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

    epochs = [row("an epoch of training", mode)["ours"] for mode in ("float32", "tf32")]
    together = [1 / row("16 models side by side", "base", size)["ratio"] for size in (256, 4096)]
    step = row("captured step")
    auc = row("auc of 100,000,000 rows", "exact", None)
    said = " ".join(readme.split())
    for text in (
        f"takes {epochs[0]:.3f} s, and {epochs[1]:.3f} s with `--precision tf32`",
        f"is {row('training speed')['ratio']:.0f} times as fast as RecBole's on the same card",
        f"100 million rows takes {1000 * auc['ours']:.0f} ms",
        f"k = 3 costs {1 / row('masked copies, k = 3')['ratio']:.1f} base steps (goal 1.3)",
        f"take {together[0]:.1f} steps of one at a batch of 256, {together[1]:.1f} at 4,096",
        f"is {step['kernels_per_step']:.0f} kernels that reach {step['share_of_compute']:.0%}",
        f"products alone reach {step['share_of_compute_of_products_alone']:.0%}",
    ):
        assert text in said


def test_tables_of_the_paper_are_the_committed_ones(readme: str, project_root: Path) -> None:
    shown = dict(
        re.findall(r"<!-- short: (\S+) -->\n(.*?)<!-- end of short -->", readme, re.DOTALL)
    )
    results = Path("data/results")
    assert set(shown) == {str(results / f"{name}.json") for name in TABLES}
    for name, table in TABLES.items():
        place = project_root / results / f"{name}.json"
        content = json.loads(place.read_text(encoding="utf-8"))
        cells, missing = content["cells"], content["missing"]
        assert shown[str(results / place.name)] == short_markdown(table, cells)
        whole = place.with_suffix(".md").read_text(encoding="utf-8")
        assert whole == table_markdown(table, cells, missing)


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
    tail = {
        float(cell["point"]): cell
        for cell in cells
        if (cell["part"], cell["preset"], cell["variant"]) == ("f", "paper", "full")
    }
    loss = {strength: f"{-cell['rela_impr']:.2%}" for strength, cell in tail.items()}
    assert f"FM loses {loss[0.5]} where users are about equally active (0.5 standard" in text
    between = sorted(tail[strength]["rela_impr"] for strength in (1, 1.5, 2))
    assert f"{-between[0]:.2%} to {-between[-1]:.2%} between 1 and 2" in text
    for strength, cell in tail.items():
        assert (cell["ci_high"] < 0) if strength <= 2 else (cell["ci_low"] < 0 < cell["ci_high"])
        assert len(cell["seeds"]) == 3
    assert lift("a", "10-29") == lift("a", "30-99")
    assert (
        2.5
        < lifts["full", "b", "whole"]["rela_impr"] / lifts["full", "a", "all users"]["rela_impr"]
        < 3.5
    )


def test_what_the_readme_says_of_tuning_is_what_was_found(readme: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "table3.json")
    found = {(cell["preset"], cell["model"], cell["variant"]): cell for cell in cells}
    last, patient = "data/results/last_iterate", "data/results/patient"
    text = " ".join(readme.split())

    def base(model: str, preset: str = "tuned") -> float:
        return float(found[preset, model, "base"]["auc_mean"])

    def lift(model: str, preset: str = "tuned") -> str:
        cell = found[preset, model, "full"]
        assert cell["ci_low"] > 0
        return f"+{cell['delta_auc']:.4f}"

    def over_paper(model: str, preset: str = "tuned") -> float:
        without, with_both = TABLE_3[model]
        return float(found[preset, model, "full"]["rela_impr"] / (with_both / without - 1))

    youtube = found["tuned", "youtube_dnn", "full"]
    for said in (
        f"FM's *base* goes from {base('fm', last):.4f} to {base('fm'):.4f}",
        f"YouTube DNN's from {base('youtube_dnn', last):.4f} to {base('youtube_dnn'):.4f}",
        f"FM {lift('fm', patient)} or {found[patient, 'fm', 'full']['rela_impr']:+.2%}, "
        f"AFN {lift('afn', patient)} and EulerNet {lift('euler_net')}, where",
        f"YouTube DNN gains {lift('youtube_dnn')} on every seed alike (p = "
        f"{youtube['p_value']:.1g}), or {youtube['rela_impr']:+.2%} of the paper's +0.18%",
        f"DCN-V2, whose base reaches {base('dcn_v2'):.4f}, {lift('dcn_v2')}, less than",
        f"With one epoch of it FM gains {lift('fm')} (its",
        f"with three it is {lift('fm', patient)}",
        f"AFN gains {lift('afn')} with two epochs of patience",
        f"with four and 40 it is {lift('afn', patient)}",
        "On three of the five models the framework gives at least what the paper says",
        "gave YouTube DNN six times as much as the framework, and FM almost twice",
    ):
        assert said in text
    afn = found[patient, "afn", "full"]
    deltas, p_value = afn["seed_deltas"], afn["p_value"]
    assert f"certain: {min(deltas):+.4f} to {max(deltas):+.4f}, p = {p_value:.2g}" in text
    assert p_value > 0.05
    assert over_paper("fm") < 1
    assert all(over_paper(model, patient) >= 1 for model in ("fm", "afn"))
    assert over_paper("euler_net") >= 1
    assert min(youtube["seed_deltas"]) > 0
    assert 0.8 < over_paper("youtube_dnn") < 1
    unequal = project_root / "data" / "results" / "search-unequal-movielens-1m.json"
    trials = json.loads(unequal.read_text(encoding="utf-8"))["trials"]
    full = max(t["valid_auc"] for t in trials if t["variant"] == "full")
    *searched, afterwards = [t["valid_auc"] for t in trials if t["variant"] == "base"]
    assert max(searched) < full - 0.0005
    assert f"validation AUC, {afterwards:.4f} against {full:.4f} ([those" in text
    assert over_paper("dcn_v2") < 1 / 3
    dcn = found[patient, "dcn_v2", "full"]
    best = [
        json.loads((project_root / patient / f"movielens-1m-dcn_v2-{side}.json").read_text())
        for side in ("base", "full")
    ]
    assert (
        f"its base has {base('dcn_v2', patient):.4f} and the framework {dcn['delta_auc']:+.4f} "
        f"({dcn['ci_low']:+.4f} to {dcn['ci_high']:+.4f}, p = {dcn['p_value']:.2g}); on "
        f"validation the best trials had {best[0]['valid_auc']:.4f} and {best[1]['valid_auc']:.4f}."
    ) in text
    assert dcn["p_value"] > 0.05
    assert abs(dcn["delta_auc"]) < 0.0003
    assert base("dcn_v2", patient) > base("dcn_v2") + 0.0003
    assert {side["trials"] for side in best} == {4}
    losses = sorted(delta for delta in found["tuned", "afn", "full"]["seed_deltas"] if delta < 0)
    assert "lose {:.4f} and {:.4f} there".format(*(-delta for delta in losses)) in text
    for model, preset, low, high in (
        ("youtube_dnn", "tuned", 5.5, 6.5),
        ("fm", patient, 1.5, 2),
    ):
        averaging = base(model, preset) - base(model, last)
        assert low < averaging / found[preset, model, "full"]["delta_auc"] < high


def test_what_the_readme_says_of_table_4_is_what_was_found(readme: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "table4.json")
    found = {
        (cell["preset"], cell["variant"]): cell for cell in cells if cell["data"] == "kuairand-pure"
    }
    text = " ".join(readme.split())

    def lift(variant: str, preset: str = "tuned") -> str:
        return f"{found[preset, variant]['rela_impr']:+.2%}"

    said = f"mask {lift('mask')}, adapter {lift('adapter')}, both {lift('full')} of AUC, and more"
    assert said in text
    for variant in ("mask", "adapter", "full"):
        cell = found["tuned", variant]
        assert cell["ci_low"] < 0 < cell["ci_high"]
        assert cell["rela_impr_uauc"] > cell["rela_impr"] > 0
        assert f"on {cell['rows']:,} test rows no interval of the three leaves zero out" in text
        assert cell["delta_auc"] < cell["smallest_effect"] < 0.00185
    assert "a lift would have to be about 0.0018 AUC" in text
    assert f"DropoutNet's interval does: {lift('dropoutnet')}" in text
    assert found["tuned", "dropoutnet"]["ci_low"] > 0
    assert f"the framework costs {lift('full', 'paper').removeprefix('-')} (one seed)" in text


def test_what_the_readme_says_of_two_towers_is_what_was_found(
    readme: str, project_root: Path
) -> None:
    results = project_root / "data" / "results"
    text = " ".join(readme.split())
    found = {
        cell["variant"]: cell
        for cell in cells_of(results / "table4.json")
        if cell["data"] == "movielens-1m" and cell["preset"] == "tuned"
    }
    base, full = found["base"], found["full"]
    assert f"**{full['rela_impr']:+.2%}** of AUC and {full['rela_impr_uauc']:+.2%} of UAUC" in text
    assert full["ci_low"] > 0
    assert full["uauc_ci_low"] > 0
    adapter, mask = found["adapter"], found["mask"]
    assert (
        f"alone gives {adapter['rela_impr']:+.2%}; the mask alone gives {mask['rela_impr']:+.2%}, "
        f"and not on every seed (p = {mask['p_value']:.2g})"
    ) in text
    assert adapter["ci_low"] > 0
    assert min(mask["seed_deltas"]) < 0 < mask["ci_low"]
    short, long = (sorted(n for n in base["epochs"] if (n > 24) == late) for late in (False, True))
    assert f"the base of three seeds after {short[0]} to {short[2]} epochs; over the two" in text
    longest = [full["seed_deltas"][base["epochs"].index(epochs)] for epochs in long]
    assert (
        f"that trained for {long[0]} and {long[1]} the framework gives {longest[0]:+.4f} and "
        f"{longest[1]:+.4f}. The rivals do not come near: "
    ) in text
    ssl, dropoutnet = found["ssl"], found["dropoutnet"]
    assert (
        f"SSL {ssl['rela_impr']:+.2%} (p = {ssl['p_value']:.2g}), and DropoutNet "
        f"{dropoutnet['rela_impr']:+.2%} (p = {dropoutnet['p_value']:.2g}), which loses the more"
    ) in text
    assert max(ssl["rela_impr"], dropoutnet["rela_impr"]) < full["rela_impr"] / 4
    assert_auc_falls_with_the_share(project_root)
    assert all(len(cell["seeds"]) == 5 and cell["trials"] == 3 for cell in found.values())
    exported = json.loads((results / "vectors.json").read_text(encoding="utf-8"))["rows"]
    runs = {row["run"]: row["held_out"] for row in exported}
    without, with_both = (runs[cell["runs"][0]] for cell in (base, full))
    assert (
        f"falls from {with_both['auc']:.4f} to {with_both['auc_by_vectors']:.4f}, below the "
        f"{without['auc_by_vectors']:.4f} of the base"
    ) in text
    assert without["auc"] == pytest.approx(without["auc_by_vectors"], abs=1e-6)
    assert with_both["auc_by_vectors"] < without["auc_by_vectors"] < with_both["auc"]


def assert_auc_falls_with_the_share(project_root: Path) -> None:
    """In DropoutNet's search on MovieLens-1M, by validation AUC."""
    path = project_root / "workbench" / "tuned" / "movielens-1m-two_tower-dropoutnet.json"
    history = json.loads(path.read_text(encoding="utf-8"))["history"]
    tried = sorted((trial["params"]["strength"], trial["valid_auc"]) for trial in history)
    found = [auc for _, auc in tried]
    assert found == sorted(found, reverse=True)


def test_what_the_readme_says_of_table_2_is_what_was_found(readme: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "table2.json")
    full = [cell for cell in cells if cell["variant"] == "full"]
    lifts = {cell["model"]: cell for cell in full if cell["data"] == "kuairand-pure"}
    planted = {cell["model"]: cell for cell in full if cell["data"] == "planted"}
    text = " ".join(readme.split())
    fm, euler, afn = lifts["fm"], lifts["euler_net"], lifts["afn"]
    assert set(lifts) == set(TABLE_2_SMALL)
    gains = f"{afn['rela_impr']:+.2%} of AUC and {afn['rela_impr_uauc']:+.2%} of UAUC"
    assert f"AFN, the weakest base of the five here, gains {gains}, more than in the paper" in text
    assert afn["ci_low"] > 0
    assert afn["uauc_ci_low"] > 0
    assert afn["base_auc_mean"] == min(cell["base_auc_mean"] for cell in lifts.values())
    assert afn["rela_impr"] > TABLE_2_SMALL["afn"].auc
    assert afn["rela_impr_uauc"] > TABLE_2_SMALL["afn"].uauc
    assert f"EulerNet gains {euler['rela_impr']:+.2%} of AUC, half of" in text
    assert euler["ci_low"] > 0
    assert 0.4 < euler["rela_impr"] / TABLE_2_SMALL["euler_net"].auc < 0.6
    assert f"FM {fm['rela_impr']:+.2%}, which these test rows cannot tell" in text
    assert f"{fm['rela_impr_uauc']:+.2%} of UAUC, which they can" in text
    assert fm["ci_low"] < 0 < fm["uauc_ci_low"]
    assert all(delta > 0 for delta in fm["seed_deltas"])
    assert "On YouTube DNN and on DCN-V2 no difference shows" in text
    for model in ("youtube_dnn", "dcn_v2"):
        for low, high in (("ci_low", "ci_high"), ("uauc_ci_low", "uauc_ci_high")):
            assert lifts[model][low] < 0 < lifts[model][high]
    assert set(planted) == {"fm", "youtube_dnn", "dcn_v2"}
    lost = f"FM loses {-planted['fm']['rela_impr']:.2%} of AUC, YouTube DNN "
    lost += f"{-planted['youtube_dnn']['rela_impr_uauc']:.2%} of UAUC, and DCN-V2 stays"
    assert f"In the planted world nothing is gained without a search: {lost}" in text
    assert planted["fm"]["ci_high"] < 0
    assert planted["youtube_dnn"]["uauc_ci_high"] < 0
    for model in ("youtube_dnn", "dcn_v2"):
        assert planted[model]["ci_low"] < 0 < planted[model]["ci_high"]
    assert planted["dcn_v2"]["uauc_ci_low"] < 0 < planted["dcn_v2"]["uauc_ci_high"]
    assert {cell["preset"] for cell in planted.values()} == {"paper"}
    assert {cell["rows_made"] for cell in planted.values()} == {2_000_000}
    assert {device for cell in planted.values() for device in cell["devices"]} == {
        "NVIDIA H100 80GB HBM3"
    }
