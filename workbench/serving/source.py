"""Where a run's vocabularies come from, and the data it was trained on."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from workbench.config import DataConfig
from workbench.data.dataset import Dataset
from workbench.data.encoding import Encoding, encoding_of
from workbench.data.registry import SOURCES, load
from workbench.data.tables.schema_file import FeatureColumn
from workbench.errors import InputError
from workbench.runs import Run
from workbench.runs.encoding import VOCABULARY
from workbench.runs.files import has_file


def run_encoding(run: Run, data: Path | None = None) -> Encoding:
    """A run's encoding: as it carries it, else from the data it was trained on, read again.

    Raises:
        InputError: the data is needed and not named, or is not what the run was trained on.
    """
    if has_file(run.path, VOCABULARY):
        return run.encoding()
    return encoding_of(run_dataset(run, data))


def own_columns(run: Run) -> dict[str, FeatureColumn]:
    """Feature -> its entry of ``schema.yaml``, for a run on tables of one's own; else empty.

    Raises:
        InputError: the run's card says something that no schema can.
    """
    if not has_file(run.path, "card.json"):
        return {}
    columns = run.card().get("columns")
    if not isinstance(columns, dict):
        return {}
    try:
        return {
            name: FeatureColumn.model_validate({"name": name, **entry})
            for name, entry in columns.items()
            if isinstance(entry, dict)
        }
    except (ValidationError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{run.name}/card.json: columns: {reason}") from None


def run_dataset(run: Run, data: Path | None = None) -> Dataset:
    """The data set that a run was trained on, read again; a path in its config is not followed.

    Args:
        run: finished or not.
        data: folder of its raw files, or of its prepared data set; the planted world needs none.

    Raises:
        InputError: `data` is needed and not given, or is another data set.
    """
    config = run.config.data
    source = SOURCES.get(config.source)
    if config.change.id_buckets is not None:
        raise InputError(
            f"run '{run.name}': its IDs were hashed on purpose (data.change.id_buckets); "
            "it cannot encode new rows"
        )
    if source is None or source.needs_folder:
        if data is None:
            raise InputError(
                f"run '{run.name}' carries no {VOCABULARY}: name the folder of its data "
                f"('{config.source}') with --from DIR, or train it again"
            )
        key = "source" if source is None else "folder"
        config = DataConfig.model_validate(config.model_dump() | {key: str(data)})
    dataset = load(config)
    if run.layout() != (dataset.schema, dataset.layout):
        raise InputError(
            f"run '{run.name}' was trained on other data than '{data or config.source}': "
            "features or vocabularies differ"
        )
    return dataset
