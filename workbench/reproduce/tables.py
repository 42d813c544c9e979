"""Tables 2, 3 and 4 of the paper: which cells they have, and the paper's figures beside ours."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from workbench.config import DataConfig
from workbench.errors import InputError
from workbench.presets import METHODS
from workbench.reproduce import paper
from workbench.reproduce.cells import Cell
from workbench.reproduce.plan import BASE, CellPlan, plan_cell

FIVE_MODELS: Final = ("fm", "youtube_dnn", "afn", "dcn_v2", "euler_net")
PAPER_DATA: Final = "movielens-1m"
"""The one data set of the paper that is public."""


@dataclass(frozen=True)
class Table:
    """What a table of the paper compares.

    Attributes:
        name: on the command line and of its files.
        title: one line for people.
        models, methods: its cells; each model's base is one of them.
        uauc: whether the paper gives UAUC.
        note: what the figures beside ours are.
    """

    name: str
    title: str
    models: tuple[str, ...]
    methods: tuple[str, ...]
    uauc: bool
    note: str


TABLES: Final = {
    table.name: table
    for table in (
        Table(
            "table2",
            "Table 2: five base models on long-tailed data, with and without AdaF2M2",
            FIVE_MODELS,
            (BASE, "full"),
            True,
            "The paper's data (DouyinMusic) is not public; KuaiRand-Pure and a planted world stand "
            "in, so its figures (DouyinMusic-4B) are beside ours for the size of the effect only.",
        ),
        Table(
            "table3",
            "Table 3: five base models on MovieLens-1M, with and without AdaF2M2",
            FIVE_MODELS,
            (BASE, "full"),
            False,
            "Same data and label as the paper's, random 6:2:2; the draw of the split is ours.",
        ),
        Table(
            "table4",
            "Table 4: what mask and adapter add to a two-tower model, and two rivals",
            ("two_tower",),
            (BASE, "mask", "adapter", "full", "ssl", "dropoutnet"),
            True,
            "The paper's data is not public, so its figures are beside ours for the size of the "
            'effect only. Its "MaskNet" is the self-supervised method of Yao et al. (ssl).',
        ),
    )
}


def plan_table(
    table: Table,
    data: DataConfig,
    *,
    seeds: int,
    presets: Sequence[str] = ("paper",),
    models: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    changes: dict[str, Any] | None = None,
    device: str = "cpu",
) -> list[CellPlan]:
    """All cells asked for; a model's base comes first, asked for or not.

    Args:
        table: of `TABLES`.
        data: what they are trained on.
        seeds: training seeds 0, 1, ...
        presets: each makes its own cells.
        models, methods: some of them; None takes the table's own.
        settings: ``KEY=VALUE`` on top of the presets, for the record; `changes` holds them nested.
        device: as in `TrainingConfig.device`.

    Raises:
        InputError: no seed, a method that is none, or a preset without these settings.
    """
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: must be at least 1")
    wanted = table.methods if methods is None else tuple(methods)
    for method in wanted:
        if method not in METHODS:
            raise InputError(f"--variants {method}: must be of {', '.join(METHODS)}")
    wanted = (BASE, *(method for method in dict.fromkeys(wanted) if method != BASE))
    plans = []
    for preset in dict.fromkeys(presets):
        for model in dict.fromkeys(table.models if models is None else models):
            for method in wanted:
                command = cell_command(
                    table.name, data, model, method, preset, seeds, settings, device
                )
                plans.append(
                    plan_cell(
                        data,
                        model,
                        method,
                        preset,
                        range(seeds),
                        command,
                        device=device,
                        changes=changes,
                    )
                )
    return plans


def cell_command(
    what: str,
    data: DataConfig,
    model: str,
    method: str,
    preset: str,
    seeds: int,
    settings: Sequence[str] = (),
    device: str = "cpu",
) -> str:
    """The command that makes one cell again; ``DIR`` stands for the folder of the raw files."""
    words = ["workbench", "reproduce", what, *data_words(data)]
    words += ["--models", model, "--variants", method, "--preset", preset, "--seeds", str(seeds)]
    for setting in settings:
        words += ["--set", setting]
    if device != "cpu":
        words += ["--device", device]
    return shlex.join(words)


def data_words(data: DataConfig) -> list[str]:
    """The options that name a data set."""
    words = ["--data", data.source]
    if data.folder is not None:
        words += ["--from", "DIR"]
    default = DataConfig()
    if data.planted.rows != default.planted.rows:
        words += ["--rows", str(data.planted.rows)]
    return words


def paper_figures(table: str, source: str, model: str, method: str) -> Cell:
    """The paper's figures for a cell; None where it has none.

    Returns:
        `paper_base`, `paper_full` (AUC, Table 3 on its own data), `paper_rela_impr` and
        `paper_rela_impr_uauc` (fractions).
    """
    figures: Cell = dict.fromkeys(
        ("paper_base", "paper_full", "paper_rela_impr", "paper_rela_impr_uauc")
    )
    if table == "table3" and source == PAPER_DATA and model in paper.TABLE_3:
        base, full = paper.TABLE_3[model]
        figures["paper_base"] = base
        if method == "full":
            figures |= {"paper_full": full, "paper_rela_impr": round(full / base - 1, 4)}
    lift = None
    if table == "table4" and model == "two_tower":
        lift = paper.TABLE_4.get(method)
    if table == "table2" and method == "full":
        lift = paper.TABLE_2_SMALL.get(model)
    if lift is not None:
        figures |= {"paper_rela_impr": lift.auc, "paper_rela_impr_uauc": lift.uauc}
    return figures
