from __future__ import annotations

import numpy as np
import pytest

from tests.data.tiny import SPLITS, lists, tiny_raw
from workbench.data import rows
from workbench.data.rows import build_vocabularies, encode_rows
from workbench.errors import InputError
from workbench.schema import plan_table


def test_codes_go_back_to_the_vocabulary() -> None:
    raw = tiny_raw()
    vocabularies = build_vocabularies(raw, SPLITS["train"])
    layout = plan_table(raw.schema, {name: len(v) for name, v in vocabularies.items()})
    encoded = encode_rows(raw, layout, vocabularies)
    for name, index, values in (
        ("user", raw.user_index, raw.users["user"]),
        ("item", raw.item_index, raw.items["item"]),
        ("length", raw.item_index, raw.items["length"]),
    ):
        assert isinstance(values, np.ndarray)
        expected = vocabularies[name].encode(values[index])
        assert encoded.codes(name).tolist() == expected.tolist(), name
    place = raw.context["place"]
    assert isinstance(place, np.ndarray)
    assert encoded.codes("place").tolist() == vocabularies["place"].encode(place).tolist()


def test_chunks_of_lists_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tiny_raw()
    vocabularies = build_vocabularies(raw, SPLITS["train"])
    layout = plan_table(raw.schema, {name: len(v) for name, v in vocabularies.items()})
    whole = encode_rows(raw, layout, vocabularies)
    monkeypatch.setattr(rows, "_CHUNK", 3)
    assert np.array_equal(encode_rows(raw, layout, vocabularies).item_rows, whole.item_rows)


def test_a_shared_feature_uses_the_other_vocabulary() -> None:
    raw = tiny_raw()
    raw.context["history"] = lists(*([str(n)] for n in range(10)))
    raw.items["item"] = np.array(["3", "1", "0", "7"], dtype=object)
    vocabularies = build_vocabularies(raw, SPLITS["train"])
    layout = plan_table(raw.schema, {name: len(v) for name, v in vocabularies.items()})
    encoded = encode_rows(raw, layout, vocabularies)
    slot, item = layout["history"], layout["item"]
    assert vocabularies["item"].values.tolist() == ["0", "1", "3"]
    expected = np.full(10, slot.mask_row)
    expected[[0, 1, 3]] = item.offset + np.array([1, 2, 3])
    assert encoded.context_columns(slot)[:, 0].tolist() == expected.tolist()
    assert not encoded.context_columns(slot)[:, 1].any()


def test_missing_column_and_wrong_kind_are_named() -> None:
    raw = tiny_raw()
    del raw.context["place"]
    with pytest.raises(InputError, match="feature 'place' has no column"):
        build_vocabularies(raw, SPLITS["train"])
    raw = tiny_raw()
    raw.items["tags"] = np.array([1, 2, 3, 4])
    with pytest.raises(InputError, match="feature 'tags': kind multi needs lists"):
        build_vocabularies(raw, SPLITS["train"])
    raw = tiny_raw()
    raw.items["length"] = np.array(["long"] * 4, dtype=object)
    with pytest.raises(InputError, match="feature 'length': could not convert"):
        build_vocabularies(raw, SPLITS["train"])
