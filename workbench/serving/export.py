"""A trained model as a file that other programs run: torch.export or ONNX, adapter inside."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from workbench.data.encoding import Encoding
from workbench.errors import InputError, TrainingError
from workbench.nn.framework import AdaF2M2
from workbench.runs import Run
from workbench.runs.encoding import write_encoding
from workbench.runs.files import to_json, write_text
from workbench.runs.run import LAYOUT_VERSION
from workbench.serving.servable import Servable
from workbench.serving.source import run_encoding

Format = Literal["torch", "onnx"]
Scorer = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

FILES: dict[Format, str] = {"torch": "model.pt2", "onnx": "model.onnx"}
CHECK_SIZES = (1, 7, 1000)
TOLERANCE = 1e-5
"""Largest difference that an exported probability, or a logit relative to max(1, |logit|), has."""


class ExportError(TrainingError):
    """The exported model does not compute what the run's model does."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how far it is from the run's own model.

    Attributes:
        file: in the folder.
        bytes: of that file, and of its weights where they lie beside it.
        batch_sizes: at which it was compared; the batch axis is dynamic.
        logit_difference: largest |difference| of a logit, relative to max(1, |logit|).
        probability_difference: largest |difference| of a probability.
    """

    file: str
    bytes: int
    batch_sizes: tuple[int, ...]
    logit_difference: float
    probability_difference: float


def export_model(run: Run, format_: Format, out: Path, data: Path | None = None) -> Exported:
    """Write a run's model, and what encodes new rows for it, into a new folder.

    The folder has the model; ``layout.json``, ``vocabulary.parquet`` and ``history.parquet`` as in
    a run folder; and ``export.json``. The model takes ``rows`` (int32 [batch, width]) and
    ``counts`` (float32 [batch, count]) and gives ``logit`` and ``probability``.

    Args:
        run: finished.
        format_: "torch" for a ``.pt2`` of torch.export, "onnx" for ONNX.
        out: a new folder; it appears whole, after the written file was loaded again and compared
            with the run's model, or not at all.
        data: as in `workbench.serving.predict.Predictor`.

    Raises:
        InputError: a run that cannot be used, a folder that is there already, or an extra that is
            not installed.
        ExportError: the exported model's results differ by more than `TOLERANCE`.
    """
    encoding = run_encoding(run, data)
    model = run.model()
    write = {"torch": write_torch, "onnx": write_onnx}[format_]
    with new_folder(out) as folder:
        scorer = write(Servable(model), encoding, folder / FILES[format_])
        logit, probability = differences(model, scorer, encoding)
        if not (logit <= TOLERANCE and probability <= TOLERANCE):
            raise ExportError(
                f"{FILES[format_]} differs from run '{run.name}' by {logit:.1e} in a logit and "
                f"{probability:.1e} in a probability; at most {TOLERANCE:.0e} is allowed"
            )
        size = sum(path.stat().st_size for path in folder.iterdir())
        done = Exported(FILES[format_], size, CHECK_SIZES, logit, probability)
        write_encoding(folder, encoding)
        _describe(folder, run, encoding, asdict(done))
    return done


def write_torch(module: Servable, encoding: Encoding, path: Path) -> Scorer:
    """Write with torch.export; returns the written file, loaded again."""
    torch.export.save(_program(module, encoding), path)
    loaded: Scorer = torch.export.load(path).module()
    return loaded


def write_onnx(module: Servable, encoding: Encoding, path: Path) -> Scorer:
    """Write ONNX; returns an onnxruntime session over the written file.

    Raises:
        InputError: onnx, onnxscript or onnxruntime is not installed.
    """
    for name in ("onnx", "onnxscript"):
        needed(name)
    runtime = needed("onnxruntime")
    with _quiet():
        program = torch.onnx.export(
            _program(module, encoding),
            dynamo=True,
            verbose=False,
            output_names=["logit", "probability"],
        )
        assert program is not None
        program.save(path)
    return onnx_scorer(runtime.InferenceSession(path, providers=["CPUExecutionProvider"]))


def onnx_scorer(session: Any) -> Scorer:
    """An onnxruntime session as a function of tensors; inputs the graph dropped are not fed."""
    names = {entry.name for entry in session.get_inputs()}

    def score(rows: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        feeds = {"rows": rows.numpy(), "counts": counts.numpy()}
        found = session.run(None, {name: feeds[name] for name in names})
        return torch.from_numpy(found[0]), torch.from_numpy(found[1])

    return score


@torch.no_grad()
def differences(model: AdaF2M2, scorer: Scorer, encoding: Encoding) -> tuple[float, float]:
    """Largest difference of a logit, relative to max(1, |logit|), and of a probability."""
    worst = [0.0, 0.0]
    for size in CHECK_SIZES:
        rows, counts = example_rows(encoding, size, seed=size)
        logit = model.serve(model.embedding(rows), counts)
        found = scorer(rows, counts)
        if found[0].shape != logit.shape:
            raise ExportError(f"shape {tuple(found[0].shape)}, must be {tuple(logit.shape)}")
        gaps = ((found[0] - logit).abs() / logit.abs().clamp_min(1), found[1] - logit.sigmoid())
        # A NaN on both sides would hide behind max(): it makes the comparison fail instead.
        found_worst = [float(torch.nan_to_num(gap.abs(), nan=np.inf).max()) for gap in gaps]
        worst = [max(pair) for pair in zip(worst, found_worst, strict=True)]
    return worst[0], worst[1]


def example_rows(encoding: Encoding, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random rows int32 [size, width] and counts float32 [size, count], as encoding makes them.

    A tenth of the features is unseen or missing; lists have every length; counts are long-tailed.
    """
    draw = np.random.default_rng(seed)
    layout = encoding.layout
    rows = np.zeros((size, layout.width), np.int32)
    for slot in layout.slots:
        width = slot.stop - slot.start
        codes = draw.integers(1, max(slot.size, 2), (size, width))
        lengths = draw.integers(1, width + 1, (size, 1))
        rows[:, slot.start : slot.stop] = np.where(
            np.arange(width) < lengths, codes + slot.offset, 0
        )
        unseen = (draw.random(size) < 0.1) | (slot.size < 2)
        rows[unseen, slot.start : slot.stop] = 0
        rows[unseen, slot.start] = slot.mask_row
    counts = np.floor(np.exp(draw.normal(1.5, 2.0, (size, len(encoding.schema.counts)))))
    return torch.from_numpy(rows), torch.from_numpy(counts.astype(np.float32))


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` at the end; nothing is left after an exception.

    Raises:
        InputError: `out` is there already, or cannot be written.
    """
    if os.path.lexists(out):
        raise InputError(f"--out {out}: is there already; name a new folder")
    building: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        building.chmod(0o755)
        yield building
        building.rename(out)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror or error})") from None
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)


def needed(package: str) -> Any:
    """Import an optional package.

    Raises:
        InputError: it is not installed; names the extra that has it.
    """
    try:
        return import_module(package)
    except ImportError:
        name = {"faiss": "faiss-cpu"}.get(package, package)
        raise InputError(
            f"{name} is not installed: pip install 'adaf2m2-workbench[export]'"
        ) from None


def _program(module: Servable, encoding: Encoding) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    # Sizes 0 and 1 would be taken for constants.
    example = example_rows(encoding, 4)
    shapes = {"rows": {0: batch}, "counts": {0: batch}}
    return torch.export.export(module, example, dynamic_shapes=shapes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporter's notes on packages that it could also use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _describe(folder: Path, run: Run, encoding: Encoding, facts: dict[str, Any]) -> None:
    layout = {
        "version": LAYOUT_VERSION,
        "schema": encoding.schema.model_dump(mode="json"),
        "layout": encoding.layout.model_dump(mode="json"),
    }
    write_text(folder / "layout.json", to_json(layout))
    about = {
        "run": run.name,
        "model": run.config.model.name,
        "method": run.config.method,
        "inputs": {
            "rows": ["int32", "batch", encoding.layout.width],
            "counts": ["float32", "batch", len(encoding.schema.counts)],
        },
        "outputs": ["logit", "probability"],
        "counts": [count.name for count in encoding.schema.counts],
        "labels": list(encoding.schema.labels),
    }
    write_text(folder / "export.json", to_json(about | facts, indent=2))
