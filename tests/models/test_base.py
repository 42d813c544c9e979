"""The view of the features that a base model gets, and its checked hyperparameters."""

from __future__ import annotations

import pytest

from tests.models.tiny import LAYOUT
from workbench.errors import InputError
from workbench.models import MODELS, model_class
from workbench.models.afn import AFN
from workbench.models.base import BaseRanker, FeatureLayout
from workbench.models.dcn_v2 import DCNV2, DCNV2Options
from workbench.models.fm import FM
from workbench.schema import Side


def test_feature_layout_keeps_the_schema_order() -> None:
    layout = FeatureLayout.of(LAYOUT, 6)
    assert layout.names == ("history", "user_id", "genres", "item_id", "hour")
    assert layout.sides == (Side.USER, Side.USER, Side.ITEM, Side.ITEM, Side.CONTEXT)
    assert (layout.features, layout.dim, layout.flat) == (5, 6, 30)


def test_unknown_model_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(InputError, match=r"model 'dcnv2' is unknown; allowed: fm, .*dcn_v2"):
        model_class("dcnv2")


def test_registry_names_its_classes() -> None:
    assert model_class("fm") is FM
    assert all(issubclass(kind, BaseRanker) for kind in MODELS.values())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dcn_v2", {"cross_layers": 0}, "cross_layers = 0"),
        ("dcn_v2", {"structure": "below"}, "structure = 'below'"),
        ("youtube_dnn", {"hidden": []}, r"hidden = \[\]"),
        ("youtube_dnn", {"hidden": [8, 0]}, r"hidden\.1 = 0"),
        ("afn", {"dropout": 1.0}, r"dropout = 1\.0"),
        ("euler_net", {"orders": []}, r"orders = \[\]"),
        ("two_tower", {"temperature": 0}, "temperature = 0"),
        ("multitask", {"tasks": 1}, "tasks = 1"),
        ("fm", {"dim": 4}, "unknown key 'dim'"),
    ],
)
def test_refused_options_name_place_and_value(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=rf"model\.options of {name}: {message}"):
        model_class(name).check_options(name, options)


def test_defaults_fill_what_is_not_given() -> None:
    options = DCNV2.check_options("dcn_v2", {"cross_layers": 5})
    assert options == DCNV2Options(cross_layers=5)


@pytest.mark.parametrize(
    ("kind", "options", "entries"),
    [(FM, {}, 1), (DCNV2, {}, 0), (AFN, {}, 0), (AFN, {"plus": True}, 16)],
)
def test_extra_entries(kind: type[BaseRanker], options: dict, entries: int) -> None:
    assert kind.extra_entries(kind.check_options("it", options), 16) == entries
