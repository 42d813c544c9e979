"""What is in the data? The card of the data set that the picked runs were trained on."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from components import guide, notes, show, sidebar
from components.catalogue import Entry
from components.text import escaped

from workbench.errors import InputError

WHOLE = st.column_config.NumberColumn(format="localized")
SHARE = st.column_config.NumberColumn(format="percent")
SPLITS = ("train", "valid", "test")
NEGATIVES = {"uniform": "all items alike", "popularity": "items as often as they are chosen"}


def main() -> None:
    """Draw the page."""
    guide.title("data_card")
    picked = sidebar.picked()
    if picked.base is None:
        notes.no_runs(picked)
        return
    card = _first_card([*picked.base_runs, *picked.candidate_runs])
    if card is None:
        _no_card(picked.base)
        return
    _head(card)
    _activity(card)
    _features(card)
    _dropped(card)
    _guesses(card)


def _first_card(entries: list[Entry]) -> dict[str, Any] | None:
    """The picked runs share their data, so the first card that can be read speaks for all."""
    for entry in entries:
        try:
            card = entry.run.card()
        except InputError:
            continue
        if isinstance(card.get("rows"), int):
            return card
    return None


def _no_card(entry: Entry) -> None:
    source = entry.run.config.data.source
    st.info(
        "None of the picked runs has a readable data card. `workbench train` keeps one with every "
        "run. Train again, or print the card of the data:"
    )
    if source in ("planted", "movielens-1m", "kuairand-pure"):
        st.code(f"workbench data prepare {source} --out prepared/{source} --json", language="bash")
    else:
        st.code("workbench data prepare schema.yaml --out prepared/mine --json", language="bash")


def _head(card: dict[str, Any]) -> None:
    rows, read = _number(card, "rows"), _number(card, "rows_read")
    rates = _mapping(card, "label_rates")
    dropped = sum(v for v in _mapping(card, "dropped").values() if isinstance(v, int))
    sentences = [
        f"{card.get('source', 'The data set')}: {rows:,} samples of "
        f"{_number(card, 'users'):,} users "
        f"and {_number(card, 'items'):,} items; {dropped:,} of {read:,} rows that were read are "
        "left out."
    ]
    if rates:
        name, rate = next(iter(rates.items()))
        sentences.append(f"The label '{name}' is 1 in {_percent(rate)} of the samples.")
    top = [card.get("top_user_share"), card.get("top_item_share")]
    if all(isinstance(share, float) for share in top):
        sentences.append(
            f"The most active 5% of the users hold {_percent(top[0])} of the samples, the most "
            f"frequent 5% of the items {_percent(top[1])}."
        )
    sentences += [
        f"{key}: {value}."
        for key, value in _mapping(card, "notes").items()
        if isinstance(value, str)
    ]
    show.says(*sentences)
    negatives = _mapping(card, "negatives")
    if negatives:
        st.warning(
            f"The samples of label 0 are drawn, not seen: {_number(negatives, 'per_positive')} for "
            f"each event, {NEGATIVES.get(str(negatives.get('by')), 'some way')}, from seed "
            f"{_number(negatives, 'seed')}. {escaped(str(negatives.get('rule', '')))}. An AUC on "
            "them compares models on these data, and says little about clicks."
        )
    split, sizes = _mapping(card, "split"), _mapping(card, "rows_per_split")
    positives = _mapping(card, "positives_per_split")
    frame = pd.DataFrame(
        {
            "split": list(SPLITS),
            "samples": [sizes.get(name) for name in SPLITS],
            **({"label is 1": [positives.get(name) for name in SPLITS]} if positives else {}),
        }
    )
    how = "by time" if split.get("protocol") == "time" else f"{split.get('protocol', 'unknown')}"
    st.subheader("Split")
    st.dataframe(
        frame,
        hide_index=True,
        width="content",
        column_config=dict.fromkeys(("samples", "label is 1"), WHOLE),
    )
    st.caption(f"Divided {escaped(how)}.")


def _activity(card: dict[str, Any]) -> None:
    found = card.get("label_rate_by_activity")
    records = [r for r in found if isinstance(r, dict)] if isinstance(found, list) else []
    if not records:
        return
    frame = pd.DataFrame.from_records(records)
    st.subheader("Label rate by user activity")
    told = [record for record in records if record.get("test_label_rate") is not None]
    if len(told) > 1:
        show.says(f"{_bucket(told[0])} {_bucket(told[-1])}")
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        column_config={
            "activity": "training samples of the user",
            "users": WHOLE,
            "train_rows": st.column_config.NumberColumn("in training", format="localized"),
            "train_label_rate": st.column_config.NumberColumn("of them 1", format="percent"),
            "test_rows": st.column_config.NumberColumn("in test", format="localized"),
            "test_label_rate": st.column_config.NumberColumn("of these 1", format="percent"),
        },
    )
    show.csv(label_rate_by_activity=frame)


def _bucket(record: dict[str, Any]) -> str:
    return (
        f"Users with {record.get('activity')} training samples: "
        f"{_percent(record.get('test_label_rate'))} of {_number(record, 'test_rows'):,} test "
        "samples are 1."
    )


def _features(card: dict[str, Any]) -> None:
    """Vocabulary, tail and gaps of every feature."""
    sizes, missing, tail = (
        _mapping(card, "vocabulary_sizes"),
        _mapping(card, "missing"),
        _mapping(card, "tail"),
    )
    names = list(dict.fromkeys([*sizes, *missing]))
    if not names:
        return
    rows = []
    for name in names:
        facts = tail.get(name)
        facts = facts if isinstance(facts, dict) else {}
        rows.append(
            {
                "feature": name,
                # Code 0 is [MASK] and every unseen value.
                "values": sizes[name] - 1 if isinstance(sizes.get(name), int) else None,
                "held by the top 5%": facts.get("top_share"),
                "held by values seen fewer than 10 times": facts.get("rare_share"),
                "unseen or missing in test": facts.get("unseen_test_share"),
                "missing": missing.get(name, 0),
            }
        )
    frame = pd.DataFrame.from_records(rows)
    st.subheader("Features")
    shares = [column for column in frame if column.startswith(("held", "unseen"))]
    if not tail:
        frame = frame.drop(columns=shares)
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        column_config=dict.fromkeys(shares, SHARE) | dict.fromkeys(("values", "missing"), WHOLE),
    )
    shares_of = "Shares are of training samples, except the one of test. " if tail else ""
    st.caption(f"{shares_of}Missing values are counted in the table that the feature comes from.")
    show.csv(features=frame)


def _dropped(card: dict[str, Any]) -> None:
    dropped = {k: v for k, v in _mapping(card, "dropped").items() if v}
    st.subheader("Rows left out")
    if not dropped:
        st.markdown("None.")
    else:
        frame = pd.DataFrame({"reason": list(dropped), "rows": list(dropped.values())})
        st.dataframe(frame, hide_index=True, width="content", column_config={"rows": WHOLE})
    for table, facts in _mapping(card, "joins").items():
        if isinstance(facts, dict):
            text = ", ".join(f"{what}: {count}" for what, count in facts.items())
            st.caption(escaped(f"Table {table}: {text}."))


def _guesses(card: dict[str, Any]) -> None:
    guesses = _mapping(card, "guesses")
    if not guesses:
        return
    st.subheader("What was guessed, and why")
    frame = pd.DataFrame({"in schema.yaml": list(guesses), "reason": list(guesses.values())})
    st.dataframe(frame.astype(str), hide_index=True)


def _mapping(card: dict[str, Any], key: str) -> dict[str, Any]:
    value = card.get(key)
    return value if isinstance(value, dict) else {}


def _number(card: dict[str, Any], key: str) -> int:
    value = card.get(key)
    return value if isinstance(value, int) else 0


def _percent(share: Any) -> str:
    return f"{share:.1%}" if isinstance(share, int | float) else "an unknown share"


try:
    main()
except InputError as error:
    st.error(escaped(str(error)), icon=":material/error:")
