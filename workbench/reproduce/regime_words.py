"""The regimes as Markdown: per question a table, and in words where a variant helps or hurts."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.charts.names import name_of
from workbench.charts.words import listing, percent
from workbench.reproduce.cells import Cell
from workbench.reproduce.markdown import difference, p_text
from workbench.reproduce.regimes import PARTS, Part

CLEAR = 0.01
"""RelaImpr from which a lift is called large."""

LEGEND = (
    "Differences are paired with the base of the same seed on the same test rows and averaged over "
    "seeds; intervals are a 95% bootstrap over users, p is a paired t test over seeds."
)


def regimes_markdown(cells: Sequence[Cell], missing: Sequence[Cell]) -> str:
    """A section per part that has cells."""
    lines = ["### Where the gain lives", "", LEGEND, ""]
    for part in PARTS.values():
        own = [cell for cell in cells if cell["part"] == part.letter]
        if own:
            lines += _section(part, own)
    if missing:
        lines += [f"Missing ({len(missing)}):", ""]
        lines += [f"- {_place(cell)}: {cell['reason']}" for cell in missing]
    return "\n".join(lines).rstrip() + "\n"


def _section(part: Part, cells: Sequence[Cell]) -> list[str]:
    head = ["Data", "Model", part.axis, "Variant", "Base AUC", "Test AUC"]
    head += ["Difference (95% interval)", "RelaImpr", "p", "Seeds", "Users", "Rows"]
    lines = [f"#### ({part.letter}) {part.title}", "", f"{part.note} {verdict(cells)}", ""]
    lines += [_line(head), _line(["---"] * len(head))]
    for cell in cells:
        where = [str(cell["data"]), str(cell["model"]), str(cell["point"]), str(cell["variant"])]
        values = [f"{cell['base_auc_mean']:.4f}", f"{cell['auc_mean']:.4f}", difference(cell)]
        lift = percent(_number(cell["rela_impr"]))
        counts = [str(len(cell["seeds"])), f"{cell['users']:,}", f"{cell['rows']:,}"]
        lines.append(_line([*where, *values, lift, p_text(cell["p_value"]), *counts]))
    return [*lines, ""]


def verdict(cells: Sequence[Cell]) -> str:
    """Per variant: where its interval is above zero, where below, and where nothing shows."""
    sentences = []
    for variant in dict.fromkeys(str(cell["variant"]) for cell in cells):
        own = [cell for cell in cells if cell["variant"] == variant]
        better = [cell for cell in own if (_number(cell["ci_low"])) > 0]
        worse = [cell for cell in own if (_number(cell["ci_high"])) < 0]
        words = []
        if better:
            words.append(f"better at {_points(better)}")
        if worse:
            words.append(f"worse at {_points(worse)}")
        rest = len(own) - len(better) - len(worse)
        if rest:
            words.append(f"no difference that can be shown at {rest} of {len(own)} points")
        sentences.append(f"{name_of(variant)}: {'; '.join(words)}.")
    return " ".join(sentences)


def _points(cells: Sequence[Cell]) -> str:
    """The points with their lifts; large ones are in bold."""
    several = len({(cell["data"], cell["model"]) for cell in cells}) > 1
    texts = []
    for cell in cells:
        lift = _number(cell["rela_impr"])
        text = f"{cell['point']} ({percent(lift)})"
        text = f"**{text}**" if abs(lift) >= CLEAR else text
        texts.append(f"{text} [{cell['model']}, {cell['data']}]" if several else text)
    return listing(texts, most=12)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _place(cell: Cell) -> str:
    keys = ("part", "point", "data", "preset", "model", "variant")
    return " ".join(str(cell[key]) for key in keys)


def _line(fields: Sequence[str]) -> str:
    return "| " + " | ".join(fields) + " |"
