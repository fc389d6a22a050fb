"""``python -m tests.corpus``: how well the corpus is read, as a table."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from scrapy_onecaptcha.pages.classifier import GATE
from tests.corpus.fitting import fit, folds, samples, weight_of
from tests.corpus.judging import ASPECTS, judge, seen, verdict_of
from tests.corpus.labels import KNOWN, LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_onecaptcha import Challenge
    from tests.corpus.labels import Label

#: How many pages near to the line are set apart.
NEAREST = 20

VERDICTS = ("gate", "widget", "none")


def main() -> None:
    """Print the report."""
    pages = [(label, seen(label)) for label in LABELS]
    table: Counter[tuple[str, str]] = Counter(
        (label.verdict, verdict_of(found)) for label, found in pages
    )
    lines = [f"{len(pages)} pages\n", "labelled    detected  gate  widget  none"]
    for labelled in VERDICTS:
        counts = [table[labelled, detected] for detected in VERDICTS]
        gate, widget, none = counts
        lines.append(
            f"{labelled:<8}{sum(counts):>4}{gate:>14}{widget:>8}{none:>6}".rstrip()
        )
    judged = [(label, judge(label, found)) for label, found in pages]
    lines.append("\nread as a person does")
    for aspect in ASPECTS:
        verdicts = [right[aspect] for _, right in judged if aspect in right]
        lines.append(f"{aspect:<10}{sum(verdicts):>4} of {len(verdicts)}")
    paid = [
        label.file
        for label, found in pages
        if label.verdict != "gate" and found and found.kind == "gate" and found.solvable
    ]
    solvable = [
        bool(found and found.kind == "gate" and found.solvable)
        for label, found in pages
        if label.submit is not None and label.verdict == "gate"
    ]
    lines.append(f"\nsolvable gates recognised: {sum(solvable)} of {len(solvable)}")
    lines.append(f"pages paid for that are no gate: {len(paid)} {' '.join(paid)}")
    for label, right in judged:
        wrong = [aspect for aspect in ASPECTS if right.get(aspect) is False]
        if wrong:
            known = f" ({KNOWN[label.file]})" if label.file in KNOWN else ""
            lines.append(f"wrong in {label.file}: {', '.join(wrong)}{known}")
    lines += ["", *_confidence(pages), "", *_folds()]
    sys.stdout.write("\n".join(lines) + "\n")


def _confidence(pages: list[tuple[Label, Challenge | None]]) -> Iterator[str]:
    """Tell how sure each verdict is, the least sure first."""
    seen = [(found.confidence, label, found) for label, found in pages if found]
    seen.sort(key=lambda row: (row[0], row[1].file))
    yield f"confidence of each verdict, the {NEAREST} pages nearest to the line first"
    for number, (confidence, label, found) in enumerate(seen):
        if number == NEAREST:
            yield "  the others"
        yield f"  {confidence:.2f}  {found.kind:<7} {label.file}"


def _folds() -> Iterator[str]:
    """Tell what each fold is read as by weights that were fitted to the others."""
    try:
        fits = [
            (fold, fit([page for page in samples() if page not in fold]))
            for fold in folds(samples())
        ]
    except ImportError:
        yield "folds: scikit-learn is not installed"
        return
    yield "folds: read right by weights fitted to the others"
    for number, (fold, by) in enumerate(fits):
        wrong = [
            page.label.file
            for page in fold
            if (weight_of(page, by) >= GATE) is not page.is_gate
        ]
        right = len(fold) - len(wrong)
        yield f"  {number + 1:>2}: {right} of {len(fold)} {' '.join(wrong)}".rstrip()


if __name__ == "__main__":
    main()
