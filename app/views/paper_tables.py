"""What does the paper report, and what is found here?"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from components import guide, results, show, state
from components.text import escaped

from workbench.charts import paper_tables as charts
from workbench.charts.names import name_of
from workbench.errors import InputError
from workbench.reproduce import paper
from workbench.reproduce.files import read_cells

TABLES = {
    "table3": "Table 3: MovieLens-1M",
    "table4": "Table 4: ablation on a two-tower model",
    "table2": "Table 2: large logs",
}
COMMANDS = {
    "table3": "workbench reproduce table3 --data movielens-1m --from DIR --seeds 5",
    "table4": "workbench reproduce table4 --data movielens-1m --from DIR --seeds 5",
    "table2": "workbench reproduce table2 --data kuairand-pure --from DIR --seeds 5",
}
NOTES = {
    "table3": "The same public data as the paper's, with a random 6:2:2 split.",
    "table4": "The paper's retrieval data are not public: same model and methods, other data.",
    "table2": "The paper's logs are not public: KuaiRand and a planted world stand in for them.",
}
COLUMNS = {
    "data": "data",
    "preset": "preset",
    "model": "model",
    "variant": "variant",
    "auc_mean": "test AUC",
    "auc_sd": "sd over seeds",
    "base_auc_mean": "base",
    "delta_auc": "difference",
    "ci_low": "from",
    "ci_high": "to",
    "rela_impr": "RelaImpr",
    "p_value": "p",
    "uauc_mean": "test UAUC",
    "delta_uauc": "UAUC difference",
    "uauc_ci_low": "UAUC from",
    "uauc_ci_high": "UAUC to",
    "rela_impr_uauc": "RelaImpr UAUC",
    "trials": "trials",
    "epochs": "epochs",
    "paper_base": "paper: base",
    "paper_full": "paper: with AdaF2M2",
    "paper_rela_impr": "paper: RelaImpr",
    "command": "command",
}


def main() -> None:
    """Draw the page."""
    guide.title("paper_tables")
    table = str(state.one("table", list(TABLES)))
    st.segmented_control(
        "Table", list(TABLES), key="table", required=True, format_func=TABLES.__getitem__
    )
    st.markdown(NOTES[table])
    cells, missing = read_cells(results.folder() / f"{table}.json")
    if cells:
        _ours(table, cells)
    else:
        st.info("There are no results of our own for this table yet. To get them:")
        st.code(COMMANDS[table], language="bash")
    if missing:
        with st.expander(f"Missing: {len(missing)} cells"):
            st.dataframe(pd.DataFrame(missing), hide_index=True)
    st.header("The paper's own figures")
    frame = _theirs(table)
    st.dataframe(frame, hide_index=True, column_config=_formats(), alt="The paper's figures")
    st.caption("Zhu et al. 2025. It gives neither intervals nor the number of seeds.")
    show.csv(paper_figures=frame)
    _searches()


def _searches() -> None:
    """Trials of the searches for settings, where any are recorded."""
    frame = results.searches()
    if frame.empty:
        return
    st.header("Recorded searches")
    st.markdown(
        "Every configuration that a search compared, on validation AUC; a search reads no test AUC."
    )
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        column_config={
            name: st.column_config.NumberColumn(label, format="%.4f")
            for name, label in (
                ("valid_auc", "validation AUC"),
                ("last_iterate_auc", "of the last weights"),
            )
        },
        alt="Trials of the recorded searches",
    )
    show.csv(searches=frame)


def _ours(table: str, cells: list[dict[str, Any]]) -> None:
    try:
        said = charts.sentences(cells)
        spec = charts.chart(cells).to_dict(validate=False)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{table}.json: a cell lacks or has a wrong {error}") from None
    show.says(*said)
    show.draw(spec, f"chart_{table}", width="content")
    frame = pd.DataFrame([{name: cell.get(key) for key, name in COLUMNS.items()} for cell in cells])
    frame.insert(4, "seeds", [len(cell.get("seeds", [])) for cell in cells])
    frame["variant"] = frame["variant"].map(lambda label: name_of(str(label)))
    frame = frame.dropna(axis="columns", how="all")
    st.dataframe(
        frame, hide_index=True, placeholder="", column_config=_formats(), alt=TABLES[table]
    )
    st.caption(
        "Means over seeds. Differences are paired with the base of the same seed on the same test "
        "rows; intervals are a 95% bootstrap over users, p is a paired t test over seeds. Trials: "
        "configurations compared on validation AUC, as many for the base as for the framework; 0 "
        "stands for fixed settings. Epochs: until patience or their limit ended the training, per "
        "seed. Each command trains its cell again."
    )
    show.csv(**{f"{table}_ours": frame})


def _theirs(table: str) -> pd.DataFrame:
    if table == "table3":
        return pd.DataFrame(
            [
                {
                    "model": charts.MODEL_NAMES[model],
                    "paper: base": base,
                    "paper: with AdaF2M2": full,
                    "paper: RelaImpr": full / base - 1,
                }
                for model, (base, full) in paper.TABLE_3.items()
            ]
        )
    if table == "table4":
        return _lifts({"offline": paper.TABLE_4}, name_of)
    sets = {"DouyinMusic-4B": paper.TABLE_2_SMALL, "DouyinMusic-20B": paper.TABLE_2_LARGE}
    return _lifts(sets, charts.MODEL_NAMES.__getitem__)


def _lifts(tables: dict[str, dict[str, paper.Lift]], name: Any) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"data": data, "what": name(key), "RelaImpr AUC": lift.auc, "RelaImpr UAUC": lift.uauc}
            for data, rows in tables.items()
            for key, lift in rows.items()
        ]
    )


def _formats() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    four = ["test AUC", "sd over seeds", "base", "test UAUC", "paper: base", "paper: with AdaF2M2"]
    signed = ["difference", "from", "to", "UAUC difference", "UAUC from", "UAUC to"]
    shares = ["RelaImpr", "paper: RelaImpr", "RelaImpr AUC", "RelaImpr UAUC"]
    return (
        {name: number(format="%.4f") for name in four}
        | {name: number(format="%+.4f") for name in signed}
        | {name: number(format="percent") for name in shares}
        | {"p": number(format="%.3g")}
    )


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
