"""Loaders that read text: configs, schemas, vocabularies and the records of a run."""

from __future__ import annotations

import argparse
import json
import random
from functools import cache
from typing import Any

import numpy as np
import yaml

from tests.fake_runs import SCHEMA, fake_config
from tests.fuzz import scratch
from tests.fuzz.mutate import mutate_json, mutate_json_lines
from workbench.commands.settings import add_options, config_from
from workbench.config import ExperimentConfig
from workbench.data.vocabulary import Vocabulary
from workbench.runs.run import _metrics_frame
from workbench.runs.status import Status
from workbench.schema import plan_table

TRICKS = (
    b"!!python/object:os.system ", b"!!binary ", b"!!timestamp ", b"&a ", b"*a ", b"!!set ", b"=",
    b"!!int ", b"!!float ", b"!!bool ", b"!!null ", b"? ", b"<<: ", b"- ", b"---\n", b"...", b"0b",
    b"2001-99-99", b"1:60:60", b"0o9", b"%YAML 9.9\n---\n", b"\t",
)  # fmt: skip
"""Pieces of YAML that do more than list plain values."""


def _text(data: bytes) -> str:
    # What is not UTF-8 ends where the file is read; these targets start behind it.
    return data.decode("utf-8", errors="surrogateescape" if data[:1] == b"\xff" else "replace")


def _config_json(data: bytes) -> None:
    config = ExperimentConfig.from_json(_text(data), "config.json")
    config.fingerprint()
    ExperimentConfig.from_json(config.to_json(), "config.json")


def _config_seeds() -> list[bytes]:
    configs = [fake_config(variant) for variant in ("base", "full")]
    configs.append(
        ExperimentConfig.parse({"rival": {"name": "ssl"}, "framework": {"variant": "base"}})
    )
    return [config.to_json().encode() for config in configs]


@cache
def _config_file() -> tuple[argparse.ArgumentParser, str]:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return parser, str(scratch.folder() / "config.yaml")


def _config_yaml(data: bytes) -> None:
    parser, path = _config_file()
    with open(path, "wb") as file:
        file.write(data)
    config_from(parser.parse_args(["--config", path])).to_json()


def _config_set(data: bytes) -> None:
    """Values of --set, one a line."""
    parser, _ = _config_file()
    arguments = [f"--set={line}" for line in _text(data).split("\n")]
    config_from(parser.parse_args(arguments)).to_json()


def _yaml_seeds() -> list[bytes]:
    return [yaml.safe_dump(json.loads(seed)).encode() for seed in _config_seeds()] + _config_seeds()


def mutate_yaml(data: bytes, draw: random.Random) -> bytes:
    """JSON is YAML: a changed document in either writing, now and then with YAML's own tricks."""
    try:
        document = yaml.safe_load(data)
        changed = mutate_json(json.dumps(document).encode(), draw)
    except Exception:
        # Whatever the parser makes of odd bytes, here they are only left as they are.
        return data
    if draw.randrange(2):
        changed = yaml.safe_dump(json.loads(changed)).encode(errors="surrogatepass")
    if draw.randrange(3) == 0:
        trick = draw.choice(TRICKS)
        ends = [n + 2 for n in range(len(changed)) if changed[n : n + 2] == b": "]
        place = draw.choice([0, *ends])
        changed = changed[:place] + trick + changed[place:]
    return changed


def _status(data: bytes) -> None:
    Status.from_json(_text(data), "status.json")


def _status_seeds() -> list[bytes]:
    return [Status(state="running", heartbeat=1.5, steps=3).model_dump_json().encode()]


def _metrics(data: bytes) -> None:
    frame = _metrics_frame(_text(data), "metrics.jsonl")
    frame[frame["kind"] == "epoch"].tail(1)


def _metrics_seeds() -> list[bytes]:
    step = {"kind": "step", "epoch": 1, "step": 50, "loss_main": 0.5, "seconds": 0.25}
    epoch = {"kind": "epoch", "epoch": 1, "valid_auc": 0.75, "samples_per_second": 1000.0}
    lines = [json.dumps(record).encode() for record in (step, epoch, step)]
    return [b"\n".join([*lines, b""]), b"\n".join(lines)]


def _vocabulary(data: bytes) -> None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = _text(data)
    found = Vocabulary.from_dict(content)
    found.encode(np.array([1, 2, -5]))
    found.encode(np.array([0.5, np.nan]))
    if found.values.dtype.kind == "O":
        len(found.values) and found.encode(found.values) if type(found) is Vocabulary else None
    assert Vocabulary.from_dict(found.to_dict()) == found


def _vocabulary_seeds() -> list[bytes]:
    kinds = (
        Vocabulary.build([3, 1, 2**40]),
        Vocabulary.build(["a", "b", "é"]),
        Vocabulary.build([0.5, 1.25]),
        Vocabulary.from_dict({"kind": "quantiles", "bounds": [0.0, 0.5, 0.5, 2.0]}),
    )
    return [json.dumps(one.to_dict()).encode() for one in kinds]


def _schema(data: bytes) -> None:
    """The two halves of a run's layout.json; `Run.layout` does the same behind a file."""
    from workbench.runs.files import parse_object
    from workbench.runs.run import parse_layout

    parse_layout(parse_object(_text(data), "layout.json"), "layout.json")


def _schema_seeds() -> list[bytes]:
    layout = plan_table(SCHEMA, dict.fromkeys(SCHEMA.names, 4))
    dumped = {"schema": SCHEMA.model_dump(mode="json"), "layout": layout.model_dump(mode="json")}
    return [json.dumps({"version": 1} | dumped).encode()]


Parts = tuple[Any, ...]
"""Function, seeds, mutator, inputs: the fields of a `Target`."""

TARGETS: dict[str, Parts] = {
    "config.json": (_config_json, _config_seeds, mutate_json, 165_000),
    "config.yaml": (_config_yaml, _yaml_seeds, mutate_yaml, 8_000),
    "config --set": (
        _config_set,
        lambda: [b"framework.k=2\ntraining.lr=0.1"],
        mutate_json_lines,
        5_000,
    ),
    "status.json": (_status, _status_seeds, mutate_json, 124_000),
    "metrics.jsonl": (_metrics, _metrics_seeds, mutate_json_lines, 32_000),
    "vocabulary": (_vocabulary, _vocabulary_seeds, mutate_json, 270_000),
    "layout.json": (_schema, _schema_seeds, mutate_json, 60_000),
}
