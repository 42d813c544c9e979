"""One graph for serving: it computes what the model does, and other programs can run it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.test_every_model import CASES, SMALL, Case, case_id
from tests.models.tiny import LAYOUT, SCHEMA, tiny_batch, tiny_config, tiny_model
from tests.rivals.rival_models import rival_config
from workbench.data.encoding import Encoding
from workbench.models import MODELS
from workbench.nn.framework import AdaF2M2
from workbench.serving.export import (
    TOLERANCE,
    ExportError,
    differences,
    example_rows,
    write_onnx,
    write_torch,
)
from workbench.serving.servable import Servable

# What the exporters need to know of a run; values are never looked up.
ENCODING = Encoding(SCHEMA, LAYOUT, {}, {}, {})
# One of each model: an export takes seconds, and the rest differ in layers that these have too.
ONE_EACH = [next(case for case in CASES if case[0] == name) for name in MODELS]


def model(case: Case, variant: str, **framework: object) -> AdaF2M2:
    return tiny_model(tiny_config(case[0], variant, case[1], **framework)).eval()


def tolerance(case: Case) -> float:
    """AFN multiplies powers of its features: with random weights, a rounding in the seventh digit
    of the adapter's weight moves its logit in the fourth. Trained ones keep to the common limit."""
    return 1e-3 if case[0] == "afn" else TOLERANCE


def close(one: torch.Tensor, other: torch.Tensor, limit: float = TOLERANCE) -> None:
    torch.testing.assert_close(one, other, rtol=limit, atol=limit)


@pytest.mark.parametrize("variant", ["base", "mask", "adapter", "full"])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_graph_computes_what_the_model_does(case: Case, variant: str) -> None:
    trained, batch = model(case, variant), tiny_batch(40)
    with torch.no_grad():
        logit, probability = Servable(trained)(batch.rows, batch.counts)
        close(logit, trained(batch), tolerance(case))
        close(probability, trained(batch).sigmoid(), tolerance(case))


@pytest.mark.parametrize("case", ONE_EACH, ids=case_id)
def test_masking_costs_nothing_in_serving(case: Case) -> None:
    """The same parts as the base model's, as full has the adapter's."""
    graphs = {v: Servable(model(case, v)) for v in ("base", "mask", "adapter", "full")}
    parts = {
        variant: [(n, type(m), [tuple(p.shape) for p in m.parameters()])
                  for n, m in graph.named_modules()]
        for variant, graph in graphs.items()
    }  # fmt: skip
    assert parts["mask"] == parts["base"]
    assert parts["full"] == parts["adapter"]


@pytest.mark.parametrize(
    "framework",
    [
        {"signals": ("id",)},
        {"signals": ("norm",)},
        {"signals": ("count",)},
        {"signals": ("norm", "count")},
        {"adapter_hidden": ()},
        {"adapter_hidden": (8, 4)},
        {"weight_scale": 2.0},
        {"counts": ("user_id:like",)},
    ],
)
def test_every_form_of_the_adapter(framework: dict[str, object]) -> None:
    trained, batch = model(("youtube_dnn", SMALL), "full", **framework), tiny_batch(40)
    with torch.no_grad():
        close(Servable(trained)(batch.rows, batch.counts)[0], trained(batch))


def test_a_count_that_never_varied_is_not_read() -> None:
    trained, batch = model(("fm", {}), "full"), tiny_batch(5)
    assert trained.adapter is not None
    trained.adapter.count_std[1] = torch.inf
    with torch.no_grad():
        logit = Servable(trained)(batch.rows, batch.counts)[0]
        close(logit, trained(batch))
        batch.counts[:, 1] += 1000
        assert torch.equal(Servable(trained)(batch.rows, batch.counts)[0], logit)


@pytest.mark.parametrize("rival", ["senet", "gate"])
def test_gates_of_rivals_are_inside(rival: str) -> None:
    trained, batch = tiny_model(rival_config(rival)).eval(), tiny_batch(40)
    with torch.no_grad():
        close(Servable(trained)(batch.rows, batch.counts)[0], trained(batch))


@pytest.mark.parametrize("case", ONE_EACH, ids=case_id)
def test_torch_export_and_onnx_agree_at_any_batch_size(case: Case, tmp_path: Path) -> None:
    """Both are loaded from the written file, and compared at batch 1, 7 and 1000."""
    pytest.importorskip("onnxruntime")
    trained = model(case, "full")
    for name, write in (("model.pt2", write_torch), ("model.onnx", write_onnx)):
        scorer = write(Servable(trained), ENCODING, tmp_path / name)
        assert max(differences(trained, scorer, ENCODING)) <= tolerance(case), name


def test_the_base_variant_is_exported_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    trained = model(("dcn_v2", SMALL), "mask")
    scorer = write_onnx(Servable(trained), ENCODING, tmp_path / "model.onnx")
    assert max(differences(trained, scorer, ENCODING)) <= TOLERANCE


def test_differences_are_found() -> None:
    trained = model(("fm", {}), "full")
    graph = Servable(trained)

    def shifted(rows: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logit, probability = graph(rows, counts)
        return logit, torch.where(torch.arange(len(rows)) == 6, torch.nan, probability)

    with torch.no_grad():
        assert differences(trained, shifted, ENCODING)[1] == float("inf")
        with pytest.raises(ExportError, match="shape"):
            differences(trained, lambda r, c: (graph(r, c)[0][:1],) * 2, ENCODING)


def test_example_rows_fit_the_table() -> None:
    rows, counts = example_rows(ENCODING, 500)
    assert rows.dtype == torch.int32
    assert counts.shape == (500, len(SCHEMA.counts))
    for slot in LAYOUT.slots:
        columns = rows[:, slot.start : slot.stop]
        own = (columns > slot.offset) & (columns < slot.offset + slot.size)
        own |= columns == slot.mask_row
        assert own[:, 0].all()
        assert (own | (columns == 0)).all()
        assert (columns[:, 0] == slot.mask_row).any()
