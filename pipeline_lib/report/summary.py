"""The results in one table, with what they mean in plain words."""

import html
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_lib.files import write_text
from pipeline_lib.report.reading import read_result
from pipeline_lib.report.scores import METRICS, families_of, headline, read_task
from pipeline_lib.report.style import COLOURS, NAMES, document, table_html

OTHERS = {
    "scratch": "the same model without pretraining",
    "cnn": "the small CNN",
    "kmer": "the k-mer regression",
}
SHOWN = (
    "auroc", "auprc", "mcc", "f1", "macro_f1", "macro_auroc", "median_auroc", "median_auprc",
    "pearson", "spearman", "r2", "mean_pearson",
)  # fmt: skip
HONESTY = (
    "A masked model sees both sides of every token, and where tokens begin and end: its bits per "
    "base are a pseudo-likelihood, and a comparison with Markov models, which see the left side "
    "alone, flatters it. A model of the next token is compared with them on equal terms. DNA "
    "is nearly incompressible, and a short run on a small machine learns little: read differences, "
    "and their intervals, not headlines."
)


def summary(models: list[Path], tasks: list[Path], *, title: str, table: Path, page: Path) -> None:
    """Write the table of results as TSV, and as a page with bars and sentences.

    Parameters
    ----------
    models
        ``pretraining.json`` of each model.
    tasks
        ``{task}.json`` of each model and task.
    """
    read_models, read_tasks = _read(models, tasks)
    frame = _table(read_models, read_tasks)
    write_text(table, frame.to_csv(sep="\t", index=False, lineterminator="\n"))
    body = [f"<p>{html.escape(sentence)}</p>" for sentence in verdicts(read_models, read_tasks)]
    for values in read_models:
        body += [f"<h2>{html.escape(values['model'])}: held-out bits per base</h2>", _bits(values)]
    for values in read_tasks:
        metric = METRICS[values["headline"]].label
        heading = f"{values['model']} on {values['task']}: {metric}"
        body += [f"<h2>{html.escape(heading)}</h2>", _headlines(values)]
    body += ["<h2>All figures</h2>", table_html(frame)]
    body.append(f'<p class="soft">{html.escape(HONESTY)}</p>')
    write_text(page, document(title, "\n".join(body)))


def summary_text(models: dict[str, Path], tasks: list[Path]) -> str:
    """Return the table of results and its verdicts as plain text.

    Parameters
    ----------
    models
        ``pretraining.json`` by model.
    tasks
        ``{task}.json`` of each model and task.
    """
    read_models, read_tasks = _read(list(models.values()), tasks)
    frame = _table(read_models, read_tasks)
    text = frame.to_string(index=False, float_format=lambda value: f"{value:.4f}", na_rep="")
    sentences = "\n".join(f"- {sentence}" for sentence in verdicts(read_models, read_tasks))
    return f"{text}\n\n{sentences}"


def verdicts(models: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> list[str]:
    """Return what the numbers say, as sentences made from the numbers."""
    sentences = []
    for values in models:
        own, baselines = values["bits_per_base"], values["baselines"]
        best = str(values["best_markov_order"])
        sentences.append(
            f"{values['model']} needs {own['value']:.4f} bits per held-out base "
            f"({values['measure']}): "
            f"{_against(own, baselines['token_unigram'], 'its own tokens taken one by one')}, and "
            f"{_against(own, baselines['markov'][best], f'the best Markov model (order {best})')}."
        )
    if len(models) > 1:
        sentences.insert(0, _best(models))
    return sentences + [_task_verdict(values) for values in tasks]


def _task_verdict(values: dict[str, Any]) -> str:
    metric, own = METRICS[values["headline"]].label, headline(values, "pretrained")
    place = f"{values['model']} on {values['task']}"
    if own is None:
        return f"{place}: {metric} is not defined, since the model says the same of all examples."
    parts = [f"{place}: {metric} {own['value']:.3f} ({own['low']:.3f} to {own['high']:.3f})"]
    for family, what in OTHERS.items():
        other = headline(values, family) if family in values["scores"] else None
        if other:
            parts.append(f"{_compare(own, other)} {what} ({other['value']:.3f})")
    sentences = [", and ".join(parts) if len(parts) < 3 else _listed(parts)]
    if values["seen_in_pretraining"] is not None:
        sentences.append(
            f"{values['seen_in_pretraining']:.0%} of the test examples overlap sequence seen in "
            "pretraining"
        )
    if (leak := values["leak"]) and leak["homologous"] > 0:
        sentences.append(
            f"{leak['exact']:.1%} of the test examples have an exact copy among those for "
            f"training, {leak['homologous']:.1%} a homologous one (protocol: {values['protocol']})"
        )
    return ". ".join(sentences) + "."


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _best(models: list[dict[str, Any]]) -> str:
    """Return which model has the lowest bits per base, and which it cannot be told from."""
    ranked = sorted(models, key=lambda values: values["bits_per_base"]["value"])
    first, own = ranked[0], ranked[0]["bits_per_base"]
    alike = [v["model"] for v in ranked[1:] if not _apart(own, v["bits_per_base"])]
    tie = f"; {', '.join(alike)} cannot be told from it" if alike else ""
    return f"{first['model']} has the lowest bits per base ({own['value']:.4f}){tie}."


def _against(own: dict[str, float], other: dict[str, float], what: str) -> str:
    distance = own["value"] - other["value"]
    side = "better than" if distance < 0 else "worse than"
    doubt = "" if _apart(own, other) else ", though their intervals overlap"
    return f"{abs(distance):.4f} {side} {what}{doubt}"


def _compare(own: dict[str, float], other: dict[str, float]) -> str:
    if not _apart(own, other):
        return "no measurable difference from"
    return "better than" if own["value"] > other["value"] else "worse than"


def _apart(first: dict[str, float], second: dict[str, float]) -> bool:
    return first["high"] < second["low"] or second["high"] < first["low"]


def _read(
    models: list[Path], tasks: list[Path]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return (
        [
            read_result(path, "model", "measure", "bits_per_base", "baselines", "best_markov_order")
            for path in models
        ],
        [read_task(path) for path in tasks],
    )


def _table(models: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for values in models:
        name, baselines = values["model"], values["baselines"]
        rows.append(
            _row(name, "bits per base", f"model ({values['measure']})", values["bits_per_base"])
        )
        if "both_strands" in values:
            rows.append(
                _row(name, "bits per base", "model (mean of both strands)", values["both_strands"])
            )
        rows.append(
            _row(name, "bits per base", "its tokens, one by one", baselines["token_unigram"])
        )
        for order, found in baselines["markov"].items():
            rows.append(_row(name, "bits per base", f"Markov order {order}", found))
        rows.append(_row(name, "bits per base", "uniform", {"value": 2.0}))
    for values in tasks:
        for family in families_of(values):
            scores = values["scores"][family]
            for metric in (name for name in SHOWN if name in scores):
                measure = f"{values['task']} {METRICS[metric].label}"
                rows.append(_row(values["model"], measure, NAMES[family], scores[metric]))
    return pd.DataFrame(rows)


def _row(model: str, measure: str, what: str, found: dict[str, float]) -> dict[str, object]:
    # None stands for what is not defined, and an exact value has no interval.
    values = {key: found.get(key) for key in ("value", "low", "high")}
    known = {key: float("nan") if value is None else value for key, value in values.items()}
    return {"model": model, "measure": measure, "what": what, **known}


def _bits(values: dict[str, Any]) -> str:
    baselines = values["baselines"]
    best = str(values["best_markov_order"])
    bars = [
        ("this model", values["bits_per_base"], COLOURS["pretrained"]),
        ("its tokens, one by one", baselines["token_unigram"], COLOURS["scratch"]),
        (f"best Markov model (order {best})", baselines["markov"][best], COLOURS["kmer"]),
        ("knowing nothing", {"value": 2.0, "low": 2.0, "high": 2.0}, COLOURS["kmer"]),
    ]
    ends = [bar[1][key] for bar in bars for key in ("low", "high")]
    return _bars(bars, min(ends) - 0.02, max(ends) + 0.01, "{:.4f}")


def _headlines(values: dict[str, Any]) -> str:
    found = {family: headline(values, family) for family in families_of(values)}
    bars = [(NAMES[family], item, COLOURS[family]) for family, item in found.items() if item]
    chance = METRICS[values["headline"]].chance or 0.0
    left = min([chance, *(item["low"] for _, item, _ in bars)])
    return _bars(bars, left, 1.0, "{:.3f}")


def _bars(
    bars: list[tuple[str, dict[str, float], str]], left: float, right: float, number: str
) -> str:
    """Return bars from ``left`` to ``right`` as SVG, each with its interval as a whisker."""
    width, start, height = 720, 250, 34

    def place(value: float) -> float:
        share = (min(max(value, left), right) - left) / (right - left)
        return start + share * (width - start - 90)

    parts = []
    for index, (label, found, colour) in enumerate(bars):
        middle = index * height + height / 2
        low, end, high = (place(found[key]) for key in ("low", "value", "high"))
        parts.append(
            f'<text x="{start - 10}" y="{middle + 5}" text-anchor="end" fill="currentColor">'
            f"{html.escape(label)}</text>"
            f'<rect x="{start}" y="{middle - 9}" width="{max(end - start, 1):.1f}" height="18" '
            f'fill="{colour}" rx="2"/>'
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="currentColor" stroke-width="2"/>'
            f'<text x="{max(end, high) + 8:.1f}" y="{middle + 5}" fill="currentColor" '
            f'font-weight="600">{number.format(found["value"])}</text>'
        )
    size = f'viewBox="0 0 {width} {height * len(bars)}"'
    note = f'<p class="soft">Bars start at {number.format(left)}; the line is the interval.</p>'
    return f'<svg {size} style="width:100%;max-width:45rem" role="img">{"".join(parts)}</svg>{note}'
