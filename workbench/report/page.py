"""The HTML of a report: everything inside, nothing fetched."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import __version__
from workbench.errors import InputError
from workbench.runs import Run
from workbench.runs.files import replacing, to_json

if TYPE_CHECKING:
    from workbench.report.sections import Section


def write_report(
    base: Run, runs: Sequence[Run], path: Path | str, *, replicates: int = 1000
) -> Path:
    """Write a comparison as one HTML file.

    Args:
        base: the baseline.
        runs: finished runs on the same test rows, at least one.
        path: of the file; an old one is replaced, or stays where this fails.
        replicates: of the bootstraps over users.

    Raises:
        InputError: runs that cannot be compared, a file that cannot be written, or a package that
            is missing.
    """
    text = report_html(base, runs, replicates=replicates)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def report_html(base: Run, runs: Sequence[Run], *, replicates: int = 1000) -> str:
    """The text of a report; see `write_report`.

    Raises:
        InputError: as `write_report`.
    """
    if not runs:
        raise InputError("a report needs at least one run besides the baseline")
    for run in (base, *runs):
        if run.state != "finished" or run.summary is None:
            raise InputError(f"run '{run.name}' is {run.state}; a report needs finished runs")
    library = _library()
    from workbench.report.sections import sections

    parts = sections(base, runs, replicates=replicates)
    specs = [spec for section in parts for spec in section.charts]
    return _page(base, runs, parts, specs, library)


def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    try:
        import altair  # noqa: F401
        import vl_convert
    except ImportError as error:
        raise InputError(
            f"a report needs the package '{error.name}': pip install 'adaf2m2-workbench[app]'"
        ) from None
    # Its type hints demand a snippet, which its documentation calls optional.
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    # The text of a script element ends at this tag, wherever it stands.
    return bundle.replace("</script", "<\\/script")


def _page(
    base: Run,
    runs: Sequence[Run],
    parts: Sequence[Section],
    specs: Sequence[dict[str, Any]],
    library: str,
) -> str:
    title = f"{', '.join(run.name for run in runs)} against {base.name}"
    numbers = iter(range(len(specs)))
    body = "\n".join(_section(part, [next(numbers) for _ in part.charts]) for part in parts)
    configs = "\n".join(_config(run) for run in (base, *runs))
    style = files("workbench.report").joinpath("report.css").read_text(encoding="utf-8")
    script = files("workbench.report").joinpath("report.js").read_text(encoding="utf-8")
    made = time.strftime("%Y-%m-%d %H:%M")
    command = f"workbench report {base.name} {' '.join(run.name for run in runs)}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<p class="about">Data: {escape(base.config.data.source)}. Model: \
{escape(base.config.model.name)}. Made {made} with AdaF2M2 workbench {__version__}: \
<code>{escape(command)}</code></p>
{body}
<section><h2>Configs</h2>
{configs}
</section>
</main>
<script type="application/json" id="charts">{_inert(to_json(specs))}</script>
<script type="module">{library}
{script}</script>
</body>
</html>
"""


def _section(part: Section, numbers: Sequence[int]) -> str:
    said = "".join(f"<li>{escape(text)}</li>" for text in part.sentences)
    charts = "".join(
        f'<div class="chart" id="chart-{n}" role="img" '
        f'aria-label="{escape(str(spec.get("description", part.title)))}"></div>'
        for n, spec in zip(numbers, part.charts, strict=True)
    )
    table = ""
    if part.table is not None and len(part.table):
        # to_html escapes what is in the cells; names of runs may come from anywhere.
        table = part.table.to_html(index=False, border=0, escape=True)
    note = f'<p class="note">{escape(part.note)}</p>' if part.note else ""
    return (
        f"<section><h2>{escape(part.title)}</h2>\n<ul>{said}</ul>\n{table}\n"
        f'<div class="charts">{charts}</div>\n{note}</section>'
    )


def _config(run: Run) -> str:
    return (
        f"<details><summary>{escape(run.name)}</summary>"
        f"<pre>{escape(run.config.to_json())}</pre></details>"
    )


def _inert(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
