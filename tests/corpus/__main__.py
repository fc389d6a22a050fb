"""``python -m tests.corpus``: how well the corpus is read, as a table."""

from __future__ import annotations

import sys
from collections import Counter

from tests.corpus.judging import ASPECTS, judge, seen, verdict_of
from tests.corpus.labels import KNOWN, LABELS

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
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
