"""``workbench export`` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench
from tests.serving.runs import flat_table, small_config, trained
from workbench.cli import main
from workbench.data.sources.planted import read_planted
from workbench.runs import Run, RunStore
from workbench.serving.predict import Predictor


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("export"), "small", small_config())


def test_onnx_runs_without_the_workbenchs_model(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The written folder alone scores raw rows as the run does."""
    runtime = pytest.importorskip("onnxruntime")
    out = tmp_path / "served"
    command = ["export", str(run.path), "--format", "onnx", "--out", str(out)]
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["file"] == "model.onnx"
    assert max(printed["logit_difference"], printed["probability_difference"]) <= 1e-5
    assert "onnxruntime against the run's model at batch 1, 7, 1000" in captured.err
    rows = flat_table(read_planted(run.config.data.planted), np.arange(20))
    import pyarrow as pa

    batch = Predictor(run).encoder().encode(pa.Table.from_pandas(pd.DataFrame(rows)))
    session = runtime.InferenceSession(out / "model.onnx", providers=["CPUExecutionProvider"])
    feeds = {"rows": batch.rows.numpy(), "counts": batch.counts.numpy()}
    (found,) = session.run(["probability"], feeds)
    np.testing.assert_allclose(found, workbench.predict(run, rows), atol=1e-6)
    about = json.loads((out / "export.json").read_text())
    assert about["inputs"]["rows"] == ["int32", "batch", batch.rows.shape[1]]
    assert {path.name for path in out.iterdir()} == {
        "export.json",
        "history.parquet",
        "layout.json",
        "model.onnx",
        "vocabulary.parquet",
    }
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err


def test_vectors_print_both_recalls(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faiss")
    out = tmp_path / "vectors"
    arguments = ["export", "small", "--runs", str(run.path.parent), "--format", "vectors"]
    assert main([*arguments, "--out", str(out), "--json"]) == 0
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["exact"] is False
    assert printed["index_recall"] > 0.9
    assert "approximate: weights depend on user and item together" in captured.err
    assert "recall@100" in captured.err
    assert 0.5 < printed["held_out"]["auc_by_vectors"] < 1
    assert f"{printed['held_out']['auc_by_vectors']:.4f} by inner product" in captured.err
    assert sorted(path.name for path in out.iterdir()) == [
        "export.json",
        "items.faiss",
        "items.parquet",
        "users.parquet",
    ]


def test_refusals_are_one_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["export", str(run.path), "--out", str(tmp_path / "out"), *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    assert "--items needs --format vectors" in refused("--items", "items.csv")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "onnxruntime is not installed: pip install 'adaf2m2-workbench[export]'" in refused()
    assert not list(tmp_path.iterdir())
    assert "no run 'nothing'" in refused_run(capsys, tmp_path)


def refused_run(capsys: pytest.CaptureFixture[str], folder: Path) -> str:
    store = RunStore(folder / "runs")
    code = main(["export", "nothing", "--runs", str(store.root), "--out", str(folder / "out")])
    assert code == 2
    return capsys.readouterr().err
