"""Tables of results for reading: which lines and columns they have, figure by figure."""

from __future__ import annotations

from typing import Any

from workbench.reproduce.markdown import difference, percent, short_markdown, table_markdown
from workbench.reproduce.tables import TABLES


def base(model: str, **more: Any) -> dict[str, Any]:
    return {"data": "d", "preset": "tuned", "model": model, "variant": "base", **more}


def compared(model: str, **more: Any) -> dict[str, Any]:
    figures = {"base_auc_mean": 0.8, "auc_mean": 0.804, "delta_auc": 0.004, "rela_impr": 0.005}
    figures |= {"ci_low": 0.001, "ci_high": 0.007, "paper_rela_impr": 0.0053}
    return base(model) | {"variant": "full"} | figures | more


def test_comparisons_are_in_the_order_of_the_papers_models() -> None:
    cells = [base("dcn_v2"), compared("dcn_v2"), base("fm"), compared("fm", preset="other")]
    assert short_markdown(TABLES["table3"], cells).splitlines() == [
        "| Model | Preset | Base AUC | AUC | Difference (95% interval) | RelaImpr | Paper's |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| fm | other | 0.8000 | 0.8040 | +0.0040 (+0.0010 to +0.0070) | +0.50% | +0.53% |",
        "| dcn_v2 | tuned | 0.8000 | 0.8040 | +0.0040 (+0.0010 to +0.0070) | +0.50% | +0.53% |",
    ]


def test_what_differs_is_named_and_uauc_has_its_interval() -> None:
    uauc = {"base_uauc_mean": 0.5, "rela_impr_uauc": 0.01, "uauc_ci_low": 0.001}
    uauc |= {"uauc_ci_high": 0.009}
    rival = compared("two_tower", variant="dropoutnet", paper_rela_impr=None, **uauc)
    cells = [compared("two_tower", paper_rela_impr_uauc=0.0017, data="e", **uauc), rival]
    lines = short_markdown(TABLES["table4"], cells).splitlines()
    assert lines[0].startswith("| Data | Variant | Preset | Base AUC |")
    assert lines[2].endswith("| +0.50% | +1.00% (+0.20% to +1.80%) | +0.53% / +0.17% |")
    assert lines[3].startswith("| d | dropoutnet | tuned |")
    assert lines[3].endswith("| +1.00% (+0.20% to +1.80%) |  |")


def test_a_table_says_what_a_gpu_trained() -> None:
    cell = base("fm", data="planted", trials=0, seeds=[0], auc_mean=0.8, auc_sd=None)
    assert "GPU" not in table_markdown(TABLES["table3"], [cell], [])
    made = cell | {"devices": ["NVIDIA H100"]}
    cells = [made, made | {"model": "dcn_v2"}, cell | {"model": "afn"}, cell | {"data": "d"}]
    text = table_markdown(TABLES["table3"], cells, [])
    assert text.endswith("but for the last digits: planted, fm, dcn_v2, on NVIDIA H100.\n")


def test_data_sets_follow_each_other() -> None:
    cells = [compared(model, data=data) for model in ("afn", "fm") for data in ("e", "d")]
    lines = short_markdown(TABLES["table3"], cells).splitlines()[2:]
    found = [line.split(" | ")[:2] for line in lines]
    assert found == [["| e", "fm"], ["| e", "afn"], ["| d", "fm"], ["| d", "afn"]]


def test_nothing_has_no_sign_of_a_loss() -> None:
    bounds = {"ci_low": -0.00006, "ci_high": None}
    assert difference(bounds | {"delta_auc": -0.00002557}) == "+0.0000"
    assert difference(bounds | {"delta_auc": -0.00006}) == "-0.0001"
    assert percent(-0.0000255) == "+0.00%"
    assert percent(0.0050123) == "+0.50%"
    assert percent(None) == ""
