"""The run store: create, list, open, resume, delete and restore runs under one folder."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from workbench.config import ExperimentConfig
from workbench.errors import InputError
from workbench.runs.files import check_name, check_new_name, write_text
from workbench.runs.lock import LOCK_FILE, RunLock, lock_holder
from workbench.runs.run import Run
from workbench.runs.writer import STOP_FILE, RunWriter

TRASH = ".trash"
BUILDING = ".new-"
"""What a folder is called until it is complete; a reader never sees one."""
UNLOCKED = ".make-"
"""And until its writer has locked it: under the other name it could be swept away."""
UNLOCKED_SECONDS = 60.0
"""After so long its writer was killed within the moment that locking takes."""

_TRASH_NAME = re.compile(r"(?P<run>.+)-\d{8}-\d{6}(-\d+)?")


class RunStore:
    """All runs under one folder, which need not exist before the first run.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def list(self) -> list[Run]:
        """All runs, the one with the latest sign of life first; broken folders are last.

        Raises:
            InputError: the store's own folder cannot be read; a bad run never raises.
        """
        try:
            entries = [
                self.root / entry.name
                for entry in os.scandir(self.root)
                if not entry.name.startswith(".") and (entry.is_dir() or entry.is_symlink())
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"run store {self.root}: cannot be read ({error.strerror})") from None
        runs = sorted((Run.read(path) for path in entries), key=lambda run: run.name)
        return sorted(runs, key=lambda run: -1.0 if run.problem else run.status.heartbeat)[::-1]

    def open(self, name: str) -> Run:
        """The run of this name.

        Raises:
            InputError: no such run, a broken one, or a name that is not one.
        """
        path = self._path(name)
        run = Run.read(path)
        if run.problem is not None:
            raise InputError(f"run '{name}' is broken: {run.problem}")
        return run

    def create(self, config: ExperimentConfig, name: str | None = None) -> RunWriter:
        """Start a run; its folder appears complete or not at all.

        Args:
            config: the experiment.
            name: default ``<source>-<model>-<variant>-s<seed>-<time>``, with -2, -3, ... where that
                is taken.

        Raises:
            InputError: the name is taken or not allowed, or the folder cannot be written.
        """
        wanted = default_name(config) if name is None else check_new_name(name)
        if name is not None and os.path.lexists(self.root / name):
            raise InputError(f"run '{name}' exists already; choose another name")
        building: Path | None = None
        lock: RunLock | None = None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            building = Path(tempfile.mkdtemp(prefix=UNLOCKED, dir=self.root))
            # mkdtemp makes it private; a run may be read by whoever may read the store.
            building.chmod(self.root.stat().st_mode & 0o777 | 0o700)
            lock = RunLock(building, wanted)
            building = building.rename(
                building.with_name(BUILDING + building.name.removeprefix(UNLOCKED))
            )
            write_text(building / "config.json", config.to_json())
            writer = RunWriter(building, config, lock)
            writer.status("running")
            writer.path = self._move(building, wanted, unique=name is None)
        except BaseException as error:
            if lock is not None:
                lock.release()
            if building is not None:
                shutil.rmtree(building, ignore_errors=True)
            if isinstance(error, OSError):
                raise InputError(
                    f"run store {self.root}: cannot be written ({error.strerror or error})"
                ) from None
            raise
        return writer

    def resume(self, name: str) -> RunWriter:
        """Go on with a run that was stopped, interrupted or failed.

        Raises:
            InputError: no such run, a broken or finished one, or one that is being written.
        """
        path = self.open(name).path
        lock = RunLock(path, name)
        try:
            # Read again: another writer may have ended since.
            run = self.open(name)
            if run.status.state == "finished":
                raise InputError(f"run '{name}' is finished; there is nothing to resume")
            (path / STOP_FILE).unlink(missing_ok=True)
            for leftover in path.glob(".*.tmp"):
                leftover.unlink()
            writer = RunWriter(path, run.config, lock, last=run.status)
            writer.status("running")
        except BaseException:
            lock.release()
            raise
        return writer

    def request_stop(self, name: str) -> None:
        """Ask the run's writer to stop after the step under way.

        Raises:
            InputError: no such run, or one that cannot be written.
        """
        write_text(self.open(name).path / STOP_FILE, "")

    def delete(self, name: str) -> str:
        """Move a run, broken or not, to the trash.

        Returns:
            Its name there, for `restore`.

        Raises:
            InputError: no such run, or one that is being written.
        """
        path = self._path(name)
        holder = None if path.is_symlink() else lock_holder(path)
        if holder is not None:
            raise InputError(f"run '{name}': process {holder} is writing it; stop it first")
        trash = self.root / TRASH
        try:
            trash.mkdir(exist_ok=True)
            stamp = time.strftime("%Y%m%d-%H%M%S")
            return _rename(path, trash, f"{name}-{stamp}", unique=True).name
        except OSError as error:
            raise InputError(f"run '{name}': cannot be moved ({error.strerror})") from None

    def trash(self) -> tuple[str, ...]:
        """Names of deleted runs, as `restore` takes them."""
        folder = self.root / TRASH
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()

    def restore(self, trash_name: str) -> Run:
        """Take a run out of the trash, under its old name.

        Raises:
            InputError: not in the trash, or the old name is taken again.
        """
        path = self.root / TRASH / check_name(trash_name)
        match = _TRASH_NAME.fullmatch(trash_name)
        if match is None or not os.path.lexists(path):
            raise InputError(f"'{trash_name}' is not in the trash of {self.root}")
        name = match["run"]
        if os.path.lexists(self.root / name):
            raise InputError(f"run '{name}' exists again; delete that one first")
        try:
            return Run.read(_rename(path, self.root, name, unique=False))
        except OSError as error:
            raise InputError(f"run '{name}': cannot be moved ({error.strerror})") from None

    def _sweep(self) -> None:
        """Remove half-made folders whose writers were killed; one that is alive holds its lock."""
        for path in self.root.glob(f"{UNLOCKED}*"):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > UNLOCKED_SECONDS:
                    shutil.rmtree(path)
        for path in self.root.glob(f"{BUILDING}*"):
            if path.is_symlink() or not (path / LOCK_FILE).exists():
                continue  # made this very moment, or not ours
            try:
                lock = RunLock(path, path.name)
            except InputError:
                continue
            shutil.rmtree(path, ignore_errors=True)
            lock.release()

    def _path(self, name: str) -> Path:
        path = self.root / check_name(name)
        if not os.path.lexists(path):
            raise InputError(f"no run '{name}' in {self.root}")
        return path

    def _move(self, building: Path, name: str, *, unique: bool) -> Path:
        try:
            return _rename(building, self.root, name, unique=unique)
        except FileExistsError:
            raise InputError(f"run '{name}' exists already; choose another name") from None


def open_run(place: str, root: Path | str) -> Run:
    """Open a run by its name in the store `root`, or by the path of its folder.

    Raises:
        InputError: no such run, or a broken one.
    """
    path = Path(place)
    if path.name == place or not os.path.isdir(path):
        return RunStore(root).open(place)
    path = path.resolve()
    return RunStore(path.parent).open(path.name)


def default_name(config: ExperimentConfig) -> str:
    """``<source>-<model>-<variant>-s<seed>-<YYYYmmdd-HHMMSS>``, local time.

    A rival's run has the rival's name in the variant's place.
    """
    # The source may be the path of a prepared data set, the model name anything.
    source, model = (
        re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")[:40] or "run"
        for text in (Path(config.data.source).stem, config.model.name)
    )
    variant, seed = config.method, config.training.seed
    return f"{source}-{model}-{variant}-s{seed}-{time.strftime('%Y%m%d-%H%M%S')}"


def _rename(path: Path, folder: Path, name: str, *, unique: bool) -> Path:
    """Move `path` into `folder`; with `unique`, as name-2, name-3, ... where the name is taken.

    Raises:
        FileExistsError: the name is taken and `unique` is false.
    """
    for number in count(1):
        target = folder / (name if number == 1 else f"{name}-{number}")
        if not os.path.lexists(target):
            try:
                path.rename(target)
            except OSError:
                # Another process may have taken the name since it was looked at.
                if not os.path.lexists(target):
                    raise
            else:
                return target
        if not unique:
            raise FileExistsError(target)
    raise AssertionError("unreachable")
