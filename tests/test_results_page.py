"""What the page of results says must be what was found."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import written_tables
from tests.written_tables import cells_of
from workbench.charts.words import signed
from workbench.reproduce.markdown import table_markdown
from workbench.reproduce.paper import TABLE_2_SMALL, TABLE_3
from workbench.reproduce.tables import TABLES


@pytest.fixture(scope="module")
def results(project_root: Path) -> Path:
    return project_root / "data" / "results"


@pytest.fixture(scope="module")
def page(results: Path) -> str:
    return (results / "README.md").read_text(encoding="utf-8")


def test_its_tables_are_the_committed_ones(page: str) -> None:
    names = {name for _, name in written_tables.blocks(page)}
    tables = {f"data/results/{name}.json" for name in TABLES}
    assert names == {"data/results/movielens-1m.json"} | tables
    assert page == written_tables.renewed(page)


@pytest.mark.parametrize("name", TABLES)
def test_the_whole_tables_are_those_of_their_cells(name: str, results: Path) -> None:
    content = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
    whole = (results / f"{name}.md").read_text(encoding="utf-8")
    assert whole == table_markdown(TABLES[name], content["cells"], content["missing"])


def test_it_lists_every_file_once(page: str, results: Path) -> None:
    listed = re.findall(r"^\| (.*?) \|", page[page.index("## Files") :], re.MULTILINE)[1:]
    patterns = [name for names in listed for name in re.findall(r"`([^`]+)`", names)]
    for path in results.iterdir():
        if path.name == "README.md":
            continue
        name = f"{path.name}/" if path.is_dir() else path.name
        fitting = [p for p in patterns if p in (name, path.stem) or Path(name).match(p)]
        assert len(fitting) == 1, name


def test_every_link_is_there(page: str, results: Path) -> None:
    places = re.findall(r"\]\((?!https?:)([^)#]+)\)", page)
    assert len(places) > 10
    assert [place for place in places if not (results / place).exists()] == []


def test_what_it_says_of_tuning_is_what_was_found(page: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "table3.json")
    found = {(cell["preset"], cell["model"], cell["variant"]): cell for cell in cells}
    last, patient = "data/results/last_iterate", "data/results/patient"
    text = " ".join(page.split())

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
        f"and AFN {lift('afn', patient)}. EulerNet gains {lift('euler_net')} where every run",
        f"YouTube DNN gains {lift('youtube_dnn')} on every seed alike (p = "
        f"{youtube['p_value']:.1g}), or {youtube['rela_impr']:+.2%} of the paper's +0.18%",
        f"DCN-V2, whose base reaches {base('dcn_v2'):.4f}, {lift('dcn_v2')}, less than",
        f"With one epoch of it FM gains {lift('fm')} (its",
        f"with three it is {lift('fm', patient)}",
        f"AFN gains {lift('afn')} with two epochs of patience",
        f"with four and 40 it is {lift('afn', patient)}",
        "On two of the five models the framework gives at least what the paper says",
    ):
        assert said in text
    afn = found[patient, "afn", "full"]
    deltas, p_value = afn["seed_deltas"], afn["p_value"]
    assert f"certain: {min(deltas):+.4f} to {max(deltas):+.4f}, p = {p_value:.2g}" in text
    assert p_value > 0.05
    assert over_paper("fm") < 1
    assert all(over_paper(model, patient) >= 1 for model in ("fm", "afn"))
    assert over_paper("euler_net") >= 1
    euler = found[patient, "euler_net", "full"]
    epochs = [*found[patient, "euler_net", "base"]["epochs"], *euler["epochs"]]
    assert (
        f"end its runs after {min(epochs)} to {max(epochs)}, its base has "
        f"{base('euler_net', patient):.4f} and the framework {lift('euler_net', patient)} "
        f"({euler['ci_low']:+.4f} to {euler['ci_high']:+.4f}, p = {euler['p_value']:.2g}, "
        f"one seed of five down), or {euler['rela_impr']:+.2%} of the paper's +0.13%"
    ) in text
    assert sorted(delta < 0 for delta in euler["seed_deltas"]) == [*(4 * [False]), True]
    assert over_paper("euler_net", patient) < 0.5 * over_paper("euler_net")
    dnn, dnn_base = found[patient, "youtube_dnn", "full"], found[patient, "youtube_dnn", "base"]
    assert (
        f"its base has {base('youtube_dnn', patient):.4f} after {min(dnn_base['epochs'])} to "
        f"{max(dnn_base['epochs'])} epochs, the framework {lift('youtube_dnn', patient)} after "
        f"{min(dnn['epochs'])} to {max(dnn['epochs'])} ({dnn['ci_low']:+.4f} to "
        f"{dnn['ci_high']:+.4f}, every seed up, p = {dnn['p_value']:.2g}), or "
        f"{dnn['rela_impr']:+.2%} of the paper's +0.18%"
    ) in text
    assert min(dnn["seed_deltas"]) > 0
    assert 0.55 < over_paper("youtube_dnn", patient) / over_paper("youtube_dnn") < 0.65
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
        f"its base has {base('dcn_v2', patient):.4f} and the framework "
        f"{signed(dcn['delta_auc'])} "
        f"({dcn['ci_low']:+.4f} to {dcn['ci_high']:+.4f}, p = {dcn['p_value']:.2g}); on "
        f"validation the best trials had {best[0]['valid_auc']:.4f} and {best[1]['valid_auc']:.4f}."
    ) in text
    assert dcn["p_value"] > 0.05
    assert abs(dcn["delta_auc"]) < 0.0003
    assert base("dcn_v2", patient) > base("dcn_v2") + 0.0003
    assert {side["trials"] for side in best} == {4}
    losses = sorted(delta for delta in found["tuned", "afn", "full"]["seed_deltas"] if delta < 0)
    assert "lose {:.4f} and {:.4f} there".format(*(-delta for delta in losses)) in text
    readme = " ".join((project_root / "README.md").read_text(encoding="utf-8").split())
    assert "gave YouTube DNN six times as much as the framework, and FM almost twice" in readme
    for model, preset, low, high in (
        ("youtube_dnn", "tuned", 5.5, 6.5),
        ("fm", patient, 1.5, 2),
    ):
        averaging = base(model, preset) - base(model, last)
        assert low < averaging / found[preset, model, "full"]["delta_auc"] < high


def test_what_it_says_of_table_4_is_what_was_found(page: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "table4.json")
    found = {
        (cell["preset"], cell["variant"]): cell for cell in cells if cell["data"] == "kuairand-pure"
    }
    text = " ".join(page.split())

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


def test_what_it_says_of_two_towers_is_what_was_found(page: str, project_root: Path) -> None:
    results = project_root / "data" / "results"
    text = " ".join(page.split())
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


def test_what_it_says_of_table_2_is_what_was_found(page: str, project_root: Path) -> None:
    cells = cells_of(project_root / "data" / "results" / "table2.json")
    full = [cell for cell in cells if cell["variant"] == "full"]
    lifts = {cell["model"]: cell for cell in full if cell["data"] == "kuairand-pure"}
    planted = {cell["model"]: cell for cell in full if cell["data"] == "planted"}
    text = " ".join(page.split())
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
    assert set(planted) == set(TABLE_2_SMALL)
    afn, euler = planted["afn"], planted["euler_net"]
    assert (
        f"little is gained without a search: AFN {afn['rela_impr_uauc']:+.2%} of UAUC, and nothing "
        f"that shows of AUC. FM loses {-planted['fm']['rela_impr']:.2%} of AUC, YouTube DNN "
        f"{-planted['youtube_dnn']['rela_impr_uauc']:.2%} of UAUC, EulerNet "
        f"{-euler['rela_impr']:.2%} of AUC, on every seed and most of it on one "
        f"(p = {euler['p_value']:.2g}), and DCN-V2 stays where it was."
    ) in text
    assert afn["uauc_ci_low"] > 0
    assert planted["fm"]["ci_high"] < 0
    assert planted["youtube_dnn"]["uauc_ci_high"] < 0
    assert euler["ci_high"] < 0
    assert max(euler["seed_deltas"]) < 0
    assert min(euler["seed_deltas"]) < sum(euler["seed_deltas"]) / 2
    for model in ("youtube_dnn", "dcn_v2", "afn"):
        assert planted[model]["ci_low"] < 0 < planted[model]["ci_high"]
    assert planted["dcn_v2"]["uauc_ci_low"] < 0 < planted["dcn_v2"]["uauc_ci_high"]
    assert {cell["preset"] for cell in planted.values()} == {"paper"}
    assert {cell["rows_made"] for cell in planted.values()} == {2_000_000}
    on_a_gpu = {model for model, cell in planted.items() if "devices" in cell}
    assert on_a_gpu == {"fm", "youtube_dnn", "dcn_v2"}
    assert "there FM, YouTube DNN and DCN-V2 on a GPU" in text
