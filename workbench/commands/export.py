"""``workbench export``: a run's model as a file that other programs serve."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.commands.output import json_line
from workbench.errors import InputError


def add_parser(commands: Any) -> None:
    """Declare the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "export", help="write a run's model for serving: torch.export, ONNX, or vectors"
    )
    parser.add_argument("name", metavar="RUN", help="a run's folder, or its name in --runs")
    parser.add_argument("--format", choices=("torch", "onnx", "vectors"), default="onnx")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="run store")
    parser.add_argument(
        "--from", dest="folder", type=Path, metavar="DIR", help="the data the run was trained on"
    )
    for side in ("users", "items"):
        text = f"--format vectors: {side} to write, in place of those of the training data"
        parser.add_argument(f"--{side}", type=Path, metavar="TABLE", help=text)
    parser.add_argument("--json", action="store_true", help="end with one JSON line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Export, compare with the run's own model, and say how far the two are apart."""
    from workbench.runs import open_run

    opened = open_run(options.name, options.runs)
    for side in ("users", "items"):
        if getattr(options, side) is not None and options.format != "vectors":
            raise InputError(f"--{side} needs --format vectors")
    done: Any
    if options.format == "vectors":
        from workbench.serving.retrieval import export_vectors

        done = export_vectors(
            opened, options.out, data=options.folder, users=options.users, items=options.items
        )
        lines = _vector_lines(done)
    else:
        from workbench.serving.export import export_model

        done = export_model(opened, options.format, options.out, options.folder)
        runtime = {"onnx": "onnxruntime", "torch": "torch.export"}[options.format]
        sizes = ", ".join(map(str, done.batch_sizes))
        lines = [
            f"{done.file}: {done.bytes / 1e6:.1f} MB; {runtime} against the run's model at batch "
            f"{sizes}: largest difference {done.logit_difference:.1e} of a logit, "
            f"{done.probability_difference:.1e} of a probability"
        ]
    for line in lines:
        print(line, file=sys.stderr)
    if options.json:
        print(json_line({"run": opened.name, "out": str(options.out)} | asdict(done)))
    else:
        print(options.out)
    return 0


def _vector_lines(done: Any) -> list[str]:
    close, held_out = done.agreement, done.held_out
    kind = "exact" if done.exact else "approximate: weights depend on user and item together"
    lines = [
        f"{done.users:,} user and {done.items:,} item vectors of {done.dim} entries; {kind}",
        f"index against exact search: recall@100 {done.index_recall:.4f}",
        f"inner product against the model, {close.users} users, all items: |difference| mean "
        f"{close.mean:.1e}, largest {close.largest:.1e}; rank correlation {close.correlation:.4f}; "
        f"the model's best 100 among the first 100: {close.recall_100:.4f}, 200: "
        f"{close.recall_200:.4f}, 500: {close.recall_500:.4f}",
    ]
    if held_out is not None:
        lines.append(
            f"AUC of {held_out.rows:,} test rows: {held_out.auc:.4f} by the model, "
            f"{held_out.auc_by_vectors:.4f} by inner product"
        )
    return lines
