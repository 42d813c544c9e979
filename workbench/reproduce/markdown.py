"""Tables of results as Markdown, ready for a README."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.charts import words
from workbench.reproduce.cells import Cell
from workbench.reproduce.tables import Table


def table_markdown(table: Table, cells: Sequence[Cell], missing: Sequence[Cell]) -> str:
    """One line per cell: ours with interval and p, the paper's beside it, and what is missing."""
    head = ["Data", "Preset", "Model", "Variant", "Trials", "Seeds", "Test AUC"]
    head += ["Difference (95% interval)", "RelaImpr", "p"]
    if table.uauc:
        head += ["UAUC", "RelaImpr (95% interval)", "Paper AUC / UAUC"]
    else:
        head += ["Paper base", "Paper with AdaF2M2", "Paper RelaImpr"]
    lines = [f"### {table.title}", "", table.note, "", _line(head), _line(["---"] * len(head))]
    lines += [_line(_fields(table, cell)) for cell in cells]
    lines += ["", LEGEND]
    lines += _devices(cells)
    if missing:
        lines += ["", f"Missing ({len(missing)} cells):", ""]
        lines += [f"- {_place(cell)}: {cell['reason']}" for cell in missing]
    return "\n".join(lines) + "\n"


def _devices(cells: Sequence[Cell]) -> list[str]:
    """A paragraph on the cells that no CPU made."""
    models: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if "devices" in cell:
            place = (cell["data"], " and ".join(cell["devices"]))
            models.setdefault(place, []).append(cell["model"])
    if not models:
        return []
    places = "; ".join(
        f"{data}, {', '.join(dict.fromkeys(names))}, on {device}"
        for (data, device), names in models.items()
    )
    return ["", f"Trained on a GPU, whose figures repeat but for the last digits: {places}."]


def short_markdown(table: Table, cells: Sequence[Cell]) -> str:
    """One line per comparison with a base, data set by data set in the order of the table's models:
    how much each gains, beside the paper's. What a README needs of `table_markdown`.
    """
    compared = [cell for cell in cells if "delta_auc" in cell]
    sets = list(dict.fromkeys(cell["data"] for cell in compared))
    compared.sort(key=lambda cell: (sets.index(cell["data"]), table.models.index(cell["model"])))
    own = {key: len({cell[key] for cell in compared}) > 1 for key in ("data", "model", "variant")}
    keys = [key for key in own if own[key]] + ["preset"]
    head = [*(key.capitalize() for key in keys), "Base AUC", "AUC", "Difference (95% interval)"]
    head += (
        ["RelaImpr", "RelaImpr of UAUC (95% interval)", "Paper's"]
        if table.uauc
        else ["RelaImpr", "Paper's"]
    )
    lines = [_line(head), _line(["---"] * len(head))]
    for cell in compared:
        fields = [str(cell[key]) for key in keys]
        fields += [f"{cell['base_auc_mean']:.4f}", f"{cell['auc_mean']:.4f}", difference(cell)]
        fields += [percent(cell["rela_impr"])] + ([_uauc_lift(cell)] if table.uauc else [])
        lines.append(_line([*fields, _paper_lift(table, cell)]))
    return "\n".join(lines) + "\n"


LEGEND = (
    "Means over seeds, ± standard deviation over seeds. Differences are paired with the base of "
    "the same seed on the same test rows; intervals are a bootstrap over users, p is a paired t "
    "test over seeds. RelaImpr is AUC / base AUC - 1. Trials: configurations compared on "
    "validation AUC to choose the settings; 0 stands for fixed settings."
)


def _fields(table: Table, cell: Cell) -> list[str]:
    fields = [str(cell[key]) for key in ("data", "preset", "model", "variant", "trials")]
    fields += [str(len(cell["seeds"])), spread(cell, "auc")]
    fields += [difference(cell), percent(cell.get("rela_impr")), p_text(cell.get("p_value"))]
    if table.uauc:
        return [*fields, spread(cell, "uauc"), _uauc_lift(cell), _paper_lift(table, cell)]
    paper = [cell.get("paper_base"), cell.get("paper_full")]
    figures = ["" if value is None else f"{value:.4f}" for value in paper]
    return [*fields, *figures, _paper_lift(table, cell)]


def _uauc_lift(cell: Cell) -> str:
    """``+0.27% (-0.02% to +0.55%)``; empty for a base."""
    lift = percent(cell.get("rela_impr_uauc"))
    if not lift:
        return ""
    base = cell["base_uauc_mean"]
    low, high = cell["uauc_ci_low"] / base, cell["uauc_ci_high"] / base
    return f"{lift} ({percent(low)} to {percent(high)})"


def _paper_lift(table: Table, cell: Cell) -> str:
    """The paper's RelaImpr, of AUC / UAUC where the table gives both; empty where it has none."""
    auc, uauc = (percent(cell.get(f"paper_{key}")) for key in ("rela_impr", "rela_impr_uauc"))
    return f"{auc} / {uauc}" if table.uauc and auc else auc


def spread(cell: Cell, metric: str) -> str:
    """``0.8052 ± 0.0003``."""
    text = f"{cell[f'{metric}_mean']:.4f}"
    deviation = cell.get(f"{metric}_sd")
    return text if deviation is None else f"{text} ± {deviation:.4f}"


def difference(cell: Cell) -> str:
    """``+0.0031 (+0.0025 to +0.0038)``; empty for a base."""
    if "delta_auc" not in cell:
        return ""
    delta = words.signed(cell["delta_auc"])
    if cell["ci_low"] is None or cell["ci_high"] is None:
        return delta
    return f"{delta} ({words.signed(cell['ci_low'])} to {words.signed(cell['ci_high'])})"


def percent(value: float | None) -> str:
    """A signed percentage as the paper prints RelaImpr; empty for none."""
    return "" if value is None else words.percent(value)


def p_text(value: float | None) -> str:
    """A p value to two figures; empty for none."""
    return "" if value is None else f"{value:.2g}"


def _place(cell: Cell) -> str:
    return " ".join(str(cell[key]) for key in ("data", "preset", "model", "variant"))


def _line(fields: Sequence[str]) -> str:
    return "| " + " | ".join(fields) + " |"
