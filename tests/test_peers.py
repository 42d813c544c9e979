"""How other libraries are measured: what they read, what they are asked, and how they answer."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import bench_peers
from tests.benchmarks.peers import batches, client, environments, measure, operators, protocol
from tests.benchmarks.peers.export import write_export
from workbench.charts import speed
from workbench.config import DataConfig

USERS = {"1": ("F", "18"), "2": ("M", "56"), "3": ("M", "1")}
MOVIES = {
    "7": ("Toy Story (1995)", ["Animation", "Comedy"]),
    "8": ("Heat (1995)", ["Action"]),
    "9": ("Three Long Words (1990)", ["Drama", "Action", "War"]),
}


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """45 ratings of three users and three movies; the positive ones are spread over all splits."""
    raw = tmp_path / "raw"
    raw.mkdir()
    users = [f"{key}::{sex}::{age}::4::0" for key, (sex, age) in USERS.items()]
    movies = [f"{key}::{title}::{'|'.join(genres)}" for key, (title, genres) in MOVIES.items()]
    pairs = [(user, movie) for user in USERS for movie in MOVIES] * 5
    ratings = [f"{user}::{movie}::{1 + n % 5}" for n, (user, movie) in enumerate(pairs)]
    for name, lines in (("users", users), ("movies", movies), ("ratings", ratings)):
        (raw / f"{name}.dat").write_text("\n".join(lines) + "\n", encoding="latin-1")
    write_export(DataConfig(source="movielens-1m", folder=str(raw)), tmp_path / "export")
    return tmp_path / "export"


def test_all_libraries_read_the_same_rows_of_every_split(exported: Path) -> None:
    export = protocol.Export.open(exported)
    for split, share in (("train", 27), ("valid", 9), ("test", 9)):
        with (exported / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
        atomic = exported / "exported" / f"exported.{split}.inter"
        with atomic.open(encoding="utf-8", newline="") as file:
            samples = list(csv.DictReader(file, delimiter="\t"))
        codes = export.rows(split)
        assert len(table) == len(samples) == len(codes["label"]) == share
        assert [row["label"] for row in table] == [row["label:float"] for row in samples]
        assert [int(row["label"]) for row in table] == codes["label"].tolist()
        assert [row["user_id"] for row in table] == [row["user_id:token"] for row in samples]
        # A code stands for one value, and every value has one code.
        for name in ("user_id", "movie_id", "gender", "age"):
            pairs = Counter(zip((row[name] for row in table), codes[name].tolist(), strict=True))
            assert len(pairs) == len({value for value, _ in pairs}) == len({c for _, c in pairs})
        for row in table:
            title, genres = MOVIES[row["movie_id"]]
            assert row["gender"] == USERS[row["user_id"]][0]
            assert row["genres"] == " ".join(genres)
            assert row["title"] == title[:-7].lower()


def test_codes_start_at_1_and_padding_is_0(exported: Path) -> None:
    export = protocol.Export.open(exported)
    features = {feature.name: feature for feature in export.features}
    assert list(features) == [
        "user_id",
        "gender",
        "age",
        "occupation",
        "movie_id",
        "year",
        "genres",
        "title",
    ]
    assert export.user == "user_id"
    assert (features["genres"].multi, features["genres"].side) == (True, "item")
    codes = export.rows("train")
    for name, feature in features.items():
        assert codes[name].max() < feature.size
        if feature.multi:
            assert codes[name].shape[1] == feature.width
        else:
            assert codes[name].min() >= 1
    # Three users, "unseen" and padding.
    assert features["user_id"].size == 5
    with (exported / "train.csv").open(encoding="utf-8", newline="") as file:
        genres = [len(row["genres"].split()) for row in csv.DictReader(file)]
    assert (codes["genres"] > 0).sum(1).tolist() == genres


def test_recbole_reads_kinds_from_the_headers(exported: Path) -> None:
    header = (exported / "exported" / "exported.item").read_text(encoding="utf-8").splitlines()[0]
    assert header.split("\t") == [
        "movie_id:token",
        "year:token",
        "genres:token_seq",
        "title:token_seq",
    ]


class Doubler(protocol.Peer):
    """Two samples a step; a counterpart of nothing else."""

    def __init__(self, export: protocol.Export) -> None:
        super().__init__(export)
        self.epochs = 0

    def open(self, model: str, batch_size: int, **settings: Any) -> None:
        if model == "broken":
            raise ValueError("no such model")

    def train(self, steps: int) -> int:
        return 2 * steps

    def epoch(self) -> None:
        self.epochs += 1

    def predictions(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        right = np.array([0.1, 0.9]) if self.epochs == 2 else np.array([0.9, 0.1])
        return np.array([0, 1]), right if split == "valid" else -right


def doubler(tmp_path: Path) -> Doubler:
    return Doubler(protocol.Export(tmp_path, (), "user", ""))


def test_a_worker_answers_in_json_and_outlives_a_failure(tmp_path: Path) -> None:
    peer = doubler(tmp_path)
    found = protocol.reply(peer, '{"do": "train", "steps": 3}')
    assert found["value"] == 6
    assert found["wall"] >= 0
    failed = protocol.reply(peer, '{"do": "open", "model": "broken", "batch_size": 1}')
    assert failed == {"error": "ValueError: no such model"}
    assert protocol.reply(peer, '{"do": "load"}') == {"error": "the library has no counterpart"}
    assert "unknown" in protocol.reply(peer, '{"do": "dance"}')["error"]
    stream = io.StringIO()
    protocol.say(stream, {"value": 1})
    assert stream.getvalue() == '{"value": 1}\n'


def test_fitting_keeps_auc_of_both_parts_after_every_epoch(tmp_path: Path) -> None:
    request = {"do": "fit", "epochs": 2, "model": "m", "batch_size": 1}
    found = protocol.reply(doubler(tmp_path), json.dumps(request))
    assert found["value"] == {"valid": [0.0, 1.0], "test": [1.0, 0.0]}


def test_blocks_of_steps_go_on_where_the_last_one_stopped() -> None:
    endless = batches.Endless([[1], [2, 3], [4]])
    assert list(endless.take(2)) == [[1], [2, 3]]
    counted = batches.Counted(endless.take(3), lambda batch: batch)
    assert list(counted) == [[4], [1], [2, 3]]
    assert counted.samples == 4


ECHO = """
import json, sys
for line in sys.stdin:
    values = json.loads(line)
    if values["do"] == "die":
        sys.exit(3)
    print(json.dumps({"value": sys.argv[1:]} if values["do"] == "say" else {"error": "no"}))
    sys.stdout.flush()
"""


def test_the_parent_hears_answers_errors_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "echo.py"
    script.write_text(ECHO, encoding="utf-8")
    monkeypatch.setitem(client.SCRIPTS, "echo", str(script))
    python = Path(sys.executable)
    with client.Worker("echo", python, tmp_path / "export", tmp_path / "log") as worker:
        assert worker.ask("say") == {"value": [str(tmp_path / "export")]}
        with pytest.raises(client.WorkerError, match=r"echo, open \{'model': 'x'\}: no"):
            worker.ask("open", model="x")
        with pytest.raises(client.WorkerError, match="echo ended"):
            worker.ask("die")
        with pytest.raises(client.WorkerError, match="echo ended"):
            worker.ask("say")
    assert worker.process.returncode == 3


def test_a_measured_cell_is_not_measured_again(tmp_path: Path) -> None:
    bench = measure.Bench(tmp_path, tmp_path, tmp_path, tmp_path, "python bench")
    made: list[int] = []

    def make() -> dict[str, Any]:
        made.append(1)
        return {"what": "train"}

    assert bench.keep("cell", make) == bench.keep("cell", make)
    assert made == [1]
    cell = json.loads((tmp_path / "cell.json").read_text(encoding="utf-8"))
    assert cell["what"] == "train"
    assert cell["command"] == "python bench"
    assert cell["machine"]["cores"] >= 1


def test_a_turn_has_enough_steps_at_every_batch_size() -> None:
    bench = measure.Bench(Path(), Path(), Path(), Path(), "")
    assert [bench.steps_of(size) for size in (256, 4096)] == [400, 100]
    assert measure.Bench(Path(), Path(), Path(), Path(), "", steps=7).steps_of(256) == 7


def test_the_published_command_names_no_place() -> None:
    places = ["--environments", "/one", "--from", "/two", "--out", "/three"]
    options = bench_peers.parse([*places, "--rounds", "3", "--mode", "bf16"])
    text = bench_peers.command_of(options)
    assert not any(place in text for place in ("/one", "/two", "/three"))
    assert "--rounds 3 --mode bf16" in text
    with pytest.raises(SystemExit):
        bench_peers.parse(["--out", "/three"])


def test_an_environment_is_ready_only_with_these_versions(tmp_path: Path) -> None:
    assert not environments.is_ready("recbole", tmp_path)
    (tmp_path / "recbole").mkdir()
    marker = tmp_path / "recbole" / environments.READY
    wanted = [environments.TORCH, *environments.REQUIREMENTS["recbole"]]
    marker.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    assert environments.is_ready("recbole", tmp_path)
    marker.write_text("torch==1.0\n", encoding="utf-8")
    assert not environments.is_ready("recbole", tmp_path)


def test_an_environment_gets_torch_first_and_is_ready_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> None:
        commands.append(command)
        (tmp_path / "recbole").mkdir(exist_ok=True)
        if "recbole==1.2.1" in command and len(commands) == 3:
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(environments.subprocess, "run", run)
    with pytest.raises(subprocess.CalledProcessError):
        environments.make("recbole", tmp_path)
    assert not environments.is_ready("recbole", tmp_path)
    assert commands[0][1:3] == ["-m", "venv"]
    assert commands[1][-2:] == ["--quiet", environments.TORCH]
    environments.make("recbole", tmp_path)
    assert environments.is_ready("recbole", tmp_path)
    assert {environments.TORCH, "recbole==1.2.1", "numpy<2"} <= set(commands[-1])
    environments.make("recbole", tmp_path)
    assert len(commands) == 6


def test_operators_stand_side_by_side() -> None:
    def entry(operator: str, spent: float) -> dict[str, Any]:
        return {"operator": operator, "us_per_step": spent, "calls_per_step": 1.0}

    ours = [entry("(whole step)", 900.0), entry("(all operators)", 800.0), entry("addmm", 300.0)]
    theirs = [entry("addmm", 250.0), entry("_foreach_add_", 4_000.0), entry("relu", 1.0)]
    cell = {"rounds": {"workbench": [{"value": ours}], "a": [{"value": theirs}]}}
    lines = [line.split() for line in operators.table(cell, most=2).splitlines()]
    assert lines == [
        ["us", "per", "step", "workbench", "a"],
        ["(whole", "step)", "900", "-"],
        ["(all", "operators)", "800", "-"],
        ["_foreach_add_", "-", "4,000"],
        ["addmm", "300", "250"],
    ]


def test_every_library_has_a_worker_and_an_environment() -> None:
    assert set(client.SCRIPTS) == {client.OWN, *environments.REQUIREMENTS}
    assert all((client.HERE / script).is_file() for script in client.SCRIPTS.values())
    assert set(speed.COLOURS) == set(measure.PEERS)


def test_a_gpu_is_asked_for_only_where_a_worker_can_use_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = ["--environments", "/one", "--from", "/two", "--out", "/three", "--device", "cuda"]
    with pytest.raises(SystemExit):
        bench_peers.parse(places)
    said = capsys.readouterr().err
    assert "fuxictr, deepctr-torch, torch-rechub, load, bare, auc cannot be measured" in said
    options = bench_peers.parse([*places, "--against", "recbole", "--what", "train"])
    assert bench_peers.command_of(options).endswith("--device cuda")


def test_the_device_is_waited_for_before_and_after() -> None:
    calls: list[str] = []
    found = protocol.timed(lambda: calls.append("work"), lambda: calls.append("wait"))
    assert calls == ["wait", "work", "wait"]
    assert found["wall"] >= 0
    assert protocol.device_name("cpu") == "cpu"
