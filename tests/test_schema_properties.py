"""Any schema survives JSON and YAML, and its table plan has a place of its own for every value."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.tables.yaml_file import parse_yaml
from workbench.errors import InputError
from workbench.runs.run import parse_layout
from workbench.schema import Feature, Kind, Schema, Side, StateCount, TableLayout, plan_table

NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=8)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A user, an item, and up to six other features, one of which may share the item's rows."""
    names = draw(st.lists(NAMES, min_size=3, max_size=8, unique=True))
    user, item, *rest = names
    features = [
        Feature(name=user, side=Side.USER, is_id=True),
        Feature(name=item, side=Side.ITEM, is_id=True),
    ]
    for name in rest:
        kind = draw(st.sampled_from(Kind))
        length = draw(st.integers(1, 5)) if kind in (Kind.MULTI, Kind.SEQUENCE) else 1
        shares = item if kind is Kind.SEQUENCE and draw(st.booleans()) else None
        side = draw(st.sampled_from(Side))
        features.append(Feature(name=name, kind=kind, side=side, max_length=length, shares=shares))
    counts = (StateCount(feature=user), StateCount(feature=item, event="click"))
    return Schema(
        features=tuple(draw(st.permutations(features))),
        labels=("click", "like"),
        user=user,
        item=item,
        has_time=draw(st.booleans()),
        counts=counts,
    )


SIZES = st.lists(st.integers(1, 50), min_size=8, max_size=8)


def planned(schema: Schema, sizes: list[int]) -> TableLayout:
    return plan_table(schema, dict(zip(schema.names, sizes, strict=False)))


@settings(max_examples=50, deadline=None)
@given(schemas())
def test_a_schema_survives_json_and_yaml(schema: Schema) -> None:
    dumped = schema.model_dump(mode="json")
    assert Schema.model_validate(json.loads(json.dumps(dumped))) == schema
    text = yaml.safe_dump(dumped, allow_unicode=True)
    assert Schema.model_validate(parse_yaml(text.encode(), "schema.yaml")) == schema


@settings(max_examples=50, deadline=None)
@given(schemas(), SIZES)
def test_every_value_has_a_row_of_its_own(schema: Schema, sizes: list[int]) -> None:
    layout = planned(schema, sizes)
    taken: list[int] = [0]
    columns: list[int] = []
    for slot in layout.slots:
        own = range(slot.offset + 1, slot.offset + slot.size)
        taken += [slot.mask_row] if schema[slot.name].shares else [slot.mask_row, *own]
        columns += range(slot.start, slot.stop)
    assert sorted(taken) == list(range(layout.rows))
    assert sorted(columns) == list(range(layout.width))
    # One gather per side: its columns lie together, users first.
    order = [slot.side for slot in sorted(layout.slots, key=lambda slot: slot.start)]
    assert order == sorted(order, key=list(Side).index)


@settings(max_examples=50, deadline=None)
@given(schemas(), SIZES, st.data())
def test_a_layout_is_read_back_and_a_forged_one_is_not(
    schema: Schema, sizes: list[int], data: st.DataObject
) -> None:
    layout = planned(schema, sizes)
    dumped = {
        "version": 1,
        "schema": schema.model_dump(mode="json"),
        "layout": layout.model_dump(mode="json"),
    }
    assert parse_layout(json.loads(json.dumps(dumped)), "layout.json") == (schema, layout)
    slot = data.draw(st.sampled_from(dumped["layout"]["slots"]))
    key = data.draw(st.sampled_from(["mask_row", "offset", "start", "stop"]))
    slot[key] += data.draw(st.integers(-60, 60).filter(bool))
    with pytest.raises(InputError):
        parse_layout(dumped, "layout.json")
