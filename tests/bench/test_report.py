"""The page of results is kept part by part."""

from __future__ import annotations

from pathlib import Path

from bench.compare import Ran
from bench.live import Trial, section
from bench.report import Results, busy, keep, merged, page, parts, rules


def test_parts_are_replaced_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    keep("# Results\n\nhead\n\n## One\n\n1\n\n## Two\n\n2\n", path)
    keep("## Two\n\nsecond\n\n## Three\n\n3\n", path)
    assert path.read_text("utf-8") == "# Results\n\nhead\n\n## One\n\n1\n\n## Two\n\nsecond\n\n## Three\n\n3\n"
    assert list(parts(path.read_text("utf-8"))) == ["", "One", "Two", "Three"]
    assert merged("", "## A\n\na\n") == "## A\n\na\n"


def test_a_whole_run_keeps_what_others_measured() -> None:
    old = page(Results(1, real=False)) + "\n## A day\n\nrows\n"
    new = merged(old, page(Results(2_000, real=True)))
    assert "Input: 2,000 packets" in new
    assert new.count("## ") == old.count("## ")
    assert new.endswith("## A day\n\nrows\n")


def test_rows_of_rules_and_live() -> None:
    runs = [Ran("analyze --no-rules", 10, 1.0, 2.0, 50.0), Ran("analyze, 200 rules, next start", 10, 2.0, 3.0, 60.0), Ran("broken", 10, 1.0, 1.0, 1.0, "why")]
    assert "| analyze, 200 rules, next start | 10 | 2.0 | 3.0 | 1.50 | 60 |" in rules(runs)
    assert "failed: why" in rules(runs)
    trials = [Trial("ring", 900.0, 10, 8, 2, 1.0, 2.0), Trial("ring", 500.0, 10, 10, 0, 1.0, 2.0)]
    text = section(1_000.0, trials, 2, busy())
    assert "## Live, 2 workers" in text
    assert "| ring | 500 | 10 | 0 | 0 | 1 | 2 | 0 |" in text
