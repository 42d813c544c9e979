"""``schema.yaml`` is untrusted: every mistake is one line, nothing outside its folder is read."""

from __future__ import annotations

import contextlib
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.tables.make import SMALL, TRIO, balanced, schema, small
from workbench.data.tables.prepare import prepare_tables
from workbench.data.tables.problems import TableProblems
from workbench.data.tables.schema_file import read_schema
from workbench.data.tables.schema_text import _scalar
from workbench.data.tables.yaml_file import parse_yaml
from workbench.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x 1\nb: *x", r"line 2: references \(\*name\) are not allowed"),
        ("a: [" + "[" * 50, "line 1: nested deeper than 16 levels"),
        ("a: 1\nb: 2\na: 3", "line 3: key 'a' appears twice"),
        ("? [a]\n: b", "a key must be a text"),
        ("<<: {a: 1}", "merging with '<<' is not allowed"),
        ("!!python/object:os.system {}", r"tags \(!name\) are not allowed"),
        ("a: !!timestamp x", r"tags \(!name\) are not allowed"),
        ("a: [1", "line 1"),
        ("a: \0", "not YAML"),
        ("a: 1\n---\nb: 2", "another document"),
    ],
)
def test_yaml_that_does_more_than_list_values(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as refusal:
        parse_yaml(text.encode(), "schema.yaml")
    assert "\n" not in str(refusal.value)


def test_yaml_without_surprises() -> None:
    text = b"no: yes\nday: 2024-01-31\nat: 12:30\nhex: 0x10\nflag: true\nwhole: 12\nshare: 0.5\n"
    assert parse_yaml(text, "s") == {
        "no": "yes",
        "day": "2024-01-31",
        "at": "12:30",
        "hex": "0x10",
        "flag": True,
        "whole": 12,
        "share": 0.5,
    }


def test_yaml_of_a_size(tmp_path: Path) -> None:
    path = schema(tmp_path, SMALL + "# " + "x" * (1 << 20))
    with pytest.raises(InputError, match="larger than 1,048,576 bytes"):
        read_schema(path)
    path.write_bytes(b"\xff\xfea")
    with pytest.raises(InputError, match="not UTF-8"):
        read_schema(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("name: small", "nane: small"), ["nane: unknown key", "name: missing"]),
        (("version: 1", "version: 2"), ["version 2 is newer than this program's 1"]),
        (("file: log.csv", "file: 7"), ["log.file: 7: "]),
        (("user: user_id", "user: nobody"), ["user: 'nobody' is not a feature"]),
        (("item: item_id", "item: user_id"), ["'user_id' is the user too"]),
        (("column: click}", "column: user_id}"), ["its column 'user_id' is a label"]),
        (("column: click}", "}"), ["a label without a column means that every row is a 1"]),
        (("item, id: true", "item, id: false"), ["'item_id' cannot be a key"]),
        (("side: user, id", "kind: fuzzy, id"), ["features.0.kind: 'fuzzy'"]),
        (("item, id", "item, separator: '|', id"), ["kind 'single' has no separator"]),
        (("item, id", "item, shares: user_id, id"), []),
        (("item, id", "item, shares: nobody, id"), ["shares 'nobody'"]),
        (("name: item_id, ", "name: user_id, "), ["features.user_id: appears 2 times"]),
        (("labels:", "split: {by: time}\nlabels:"), ["'time' without a time column"]),
        (("labels:", "split: {ratios: [0.5, 0.4, 0.3]}\nlabels:"), ["three shares that sum to 1"]),
        (("labels:", "time: {column: t, format: soon}\nlabels:"), ["time.format: 'soon'"]),
        (("labels:", "counts: [{feature: x}]\nlabels:"), ["counts.x: not an ID feature"]),
        (
            ("labels:", "counts: [{feature: user_id, event: buy}]\nlabels:"),
            ["event 'buy' is not a label"],
        ),
        (("labels:", "negatives: {per_positive: 0}\nlabels:"), ["negatives.per_positive: 0"]),
        (("labels:", "negatives: {}\nlabels:"), ["the log has a label column"]),
    ],
)
def test_each_mistake_is_a_line(
    change: tuple[str, str], expected: list[str], tmp_path: Path
) -> None:
    assert change[0] in SMALL
    path = schema(tmp_path, SMALL.replace(change[0], change[1], 1))
    if not expected:
        read_schema(path)
        return
    with pytest.raises(InputError) as refusal:
        read_schema(path)
    found = getattr(refusal.value, "problems", [refusal.value])
    lines = [str(problem) for problem in found]
    for part in expected:
        assert any(part in line for line in lines), lines
    assert all("\n" not in line for line in lines)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = SMALL.replace("user: user_id", "user: x").replace("item: item_id", "item: y")
    with pytest.raises(TableProblems) as refusal:
        read_schema(schema(tmp_path, text + "counts: [{feature: z}]\n"))
    assert len(refusal.value.problems) == 3


def test_sampled_negatives_and_counts_that_tell(tmp_path: Path) -> None:
    text = SMALL.replace("column: click}", "}") + "negatives: {}\n"
    read_schema(schema(tmp_path, text))
    for count, expected in (
        ("{feature: user_id}", "impressions are not in a log of positives"),
        ("{feature: item_id, event: click}", "tells a positive from a drawn negative"),
    ):
        with pytest.raises(InputError, match=expected):
            read_schema(schema(tmp_path, text + f"counts: [{count}]\n"))


@pytest.mark.parametrize(
    "file", ["../secret.csv", "/etc/passwd", "a/../../secret.csv", "link.csv", "folder", "no.csv"]
)
def test_no_path_leaves_the_folder(file: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "folder").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("user_id,item_id,click\n1,2,1\n")
    (home / "link.csv").symlink_to(tmp_path / "secret.csv")
    path = schema(home, SMALL.replace("log.csv", file))
    with pytest.raises(InputError) as refusal:
        prepare_tables(path, tmp_path / "out")
    assert "1,2,1" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_a_link_within_the_folder_is_fine(tmp_path: Path) -> None:
    small(tmp_path, balanced())
    (tmp_path / "log.csv").rename(tmp_path / "real.csv")
    (tmp_path / "log.csv").symlink_to("real.csv")
    prepare_tables(schema(tmp_path), tmp_path / "out")


@given(st.text(max_size=30))
def test_any_name_is_written_as_it_is(text: str) -> None:
    text = "".join(c for c in text if not "\ud800" <= c <= "\udfff")
    line = f"{{name: {_scalar(text)}}}"
    assert parse_yaml(line.encode(), "s") == {"name": text}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_schema_is_refused_in_words(data: st.DataObject, tmp_path: Path) -> None:
    """Pieces cut out, doubled and put in: a schema or a clear error, never anything else."""
    text = TRIO.format(split="time")
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 40)))
        put = data.draw(st.sampled_from(["", "{", "]", ": ", "*a", "- ", "\n", "1e9", "~", "''"]))
        text = text[:start] + put + text[start:stop] * data.draw(st.integers(0, 2)) + text[stop:]
    text += data.draw(st.text(string.printable, max_size=5))
    path = tmp_path / "schema.yaml"
    path.write_text(text, encoding="utf-8")
    # Anything but an InputError fails the test.
    with contextlib.suppress(InputError):
        read_schema(path)


def test_what_init_writes_is_plain_yaml() -> None:
    """Other programs read it too."""
    assert yaml.safe_load(f"a: {_scalar('no')}") == {"a": "no"}
    assert yaml.safe_load(f"a: {_scalar('2024-01-31')}") == {"a": "2024-01-31"}
