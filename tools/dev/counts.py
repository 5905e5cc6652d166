"""Adds up JUnit reports and prints the one closing line: N passed, N failed, N skipped.

A report that is not there, or cannot be read, counts as one failure: what should have written it did not get so far.
Ends with status 1 if anything failed, or if nothing passed."""

import sys
import xml.etree.ElementTree as tree


def outcome(case: tree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def main(paths: list[str]) -> int:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in paths:
        try:
            cases = list(tree.parse(path).getroot().iter("testcase"))
        except (OSError, tree.ParseError) as problem:
            print(f"{path}: {problem}", file=sys.stderr)
            counts["failed"] += 1
            continue
        for case in cases:
            counts[outcome(case)] += 1
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
