"""Runs a campaign of tests with one seed after the other until the time is over.

    tools/torture CAMPAIGN [--minutes M] [--seed S] [--shard I/N] [--release] [--no-ledger]

Each run adds a line to docs/torture/CAMPAIGN.jsonl (of another format of stores to CAMPAIGN-formatN.jsonl): commit, build, shard, seed, what the test counted, violations (tests
that failed), seconds. A campaign goes on behind the last seed of its shard there; --seed begins elsewhere. Shard I of N
(I from 1 on) takes every N-th seed: shards may run beside each other, on several machines. What a failing run printed is in
build/torture; the command that runs it again is printed. Ends with status 1 if there was a violation.

--release builds with optimisation, without assertions; otherwise the build is the one of tools/test.

Campaigns:
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Campaign:
    what: str
    program: str
    file: str  # of tests: what Catch2 selects
    environment: dict[str, str]  # "{seed}" is replaced
    counts: dict[str, int] = dataclasses.field(default_factory=dict)  # of a run, where the test does not count


CAMPAIGNS = {
    "kill": Campaign(
        "kill -9 of a writing process at random moments, 25 in each durability a run",
        "anear_test_crash",
        "rocksdb_kill_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_KILLS": "25"},
    ),
    "kill-points": Campaign(
        "a process kills itself before, within or after each named change of the disk, once each a run",
        "anear_test_crash",
        "rocksdb_kill_point_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_KILLS": "1"},
    ),
    "power-loss": Campaign(
        "what a disk may hold after a power cut, 500 disks of recorded lives a run",
        "anear_test_crash",
        "rocksdb_power_loss_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_IMAGES": "500"},
    ),
    "io-errors": Campaign(
        "the n-th change of the disk fails in a life of 200 writes, every 7th n a run: 42 runs try each in six ways",
        "anear_test_collection",
        "rocksdb_every_fault_test",
        {
            "ANEAR_FAULT_FIRST": "{seed_mod_7}",
            "ANEAR_FAULT_STEP": "7",
            "ANEAR_FAULT_WAY": "{seed_by_7}",
            "ANEAR_OPERATIONS": "200",
        },
    ),
    "erase-kills": Campaign(
        "kill -9 of a process that writes and erases, 20 a run",
        "anear_test_crash",
        "rocksdb_erase_kill_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_KILLS": "20"},
    ),
    "backup-kills": Campaign(
        "kill -9 of a process that takes and removes backups, 20 a run",
        "anear_test_crash",
        "rocksdb_backup_kill_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_KILLS": "20"},
    ),
    "full-disk": Campaign(
        "a small disk is filled, emptied by deletes and filled again, 60 cycles a run",
        "anear_test_collection",
        "rocksdb_full_disk_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_CYCLES": "60"},
    ),
    "damage": Campaign(
        "flipped bits (500 a run), files that are cut (at every 4 KiB, a byte less and more), longer, missing, swapped",
        "anear_test_crash",
        "rocksdb_damage_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_FLIPS": "500", "ANEAR_CUTS": "1"},
    ),
    "contests": Campaign(
        "processes that read and want to write beside a writer that is killed, 20 rounds a run",
        "anear_test_crash",
        "rocksdb_contest_test",
        {"ANEAR_SEED": "{seed}", "ANEAR_ROUNDS": "20"},
    ),
    "model": Campaign(
        "random operations against a map and brute force, 200 sequences in memory and 200 on disk a run",
        "anear_test_property",
        "store_property_test",
        {"RC_PARAMS": "seed={seed} max_success=200"},
        {"sequences": 400},
    ),
}
FUZZ = "arbitrary bytes for decoders and stores: tools/fuzz, whose options these are (tools/fuzz --help)"


def arguments() -> argparse.Namespace:
    listed = "\n".join(f"  {name:12} {campaign.what}" for name, campaign in CAMPAIGNS.items())
    example = "ANEAR_SEED=7 ANEAR_IMAGES=500 build/dev/tests/anear_test_crash -# '[#rocksdb_power_loss_test]'"
    parser = argparse.ArgumentParser(
        "tools/torture",
        description=f"{__doc__}{listed}\n  {'fuzz':12} {FUZZ}\n\nOne seed again, such as 7 of power-loss:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("campaign", choices=[*CAMPAIGNS, "fuzz"], metavar="CAMPAIGN")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--release", action="store_true")
    parser.add_argument("--no-ledger", action="store_true")
    parser.add_argument("--program", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def commit() -> str:
    """With "+" where the tree has changes that are not committed; the ledgers are no such changes."""
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", ".", ":!docs/torture"], cwd=ROOT, capture_output=True, text=True
    )
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def ledger_of(campaign: str) -> pathlib.Path:
    """A change of the format starts a new one: what held for the old one is no evidence for it."""
    header = (ROOT / "include/anear/storage/store_directory.hpp").read_text()
    found = re.search(r"kFormatVersion = (\d+)", header)
    if found is None:
        sys.exit("torture: no kFormatVersion in storage/store_directory.hpp")
    suffix = "" if found[1] == "1" else f"-format{found[1]}"
    return ROOT / "docs" / "torture" / f"{campaign}{suffix}.jsonl"


def last_seed(ledger: pathlib.Path, shard: str) -> int | None:
    if not ledger.exists():
        return None
    seeds = [run["seed"] for run in map(json.loads, ledger.read_text().splitlines()) if run["shard"] == shard]
    return max(seeds, default=None)


def counted(report: pathlib.Path) -> dict[str, int]:
    """What tests/support/campaign.hpp wrote: the same name may come more than once."""
    counts: dict[str, int] = {}
    if report.exists():
        for line in report.read_text().splitlines():
            name, number = line.rsplit(" ", 1)
            counts[name] = counts.get(name, 0) + int(number)
    return counts


def violations(output: str, status: int) -> int:
    if status == 0:
        return 0
    failed = re.search(r"test cases:.*?(\d+) failed", output)
    return int(failed[1]) if failed else 1


def run_once(campaign: Campaign, name: str, preset: str, seed: int) -> dict[str, object]:
    """One seed: the line for the ledger, but for what is the same for all runs."""
    folder = ROOT / "build" / "torture"
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{name}-{seed}.counts"
    report.unlink(missing_ok=True)
    settings = {key: value.format(seed=seed, seed_mod_7=seed % 7, seed_by_7=seed // 7) for key, value in campaign.environment.items()}
    command = [f"build/{preset}/tests/{campaign.program}", "-#", f"[#{campaign.file}]"]
    start = time.monotonic()
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings, "ANEAR_REPORT": str(report)}, capture_output=True, text=True
    )
    found = violations(ended.stdout, ended.returncode)
    if found:
        log = folder / f"{name}-{seed}.log"
        log.write_text(ended.stdout + ended.stderr)
        shown = " ".join(f"{key}='{value}'" for key, value in settings.items())
        print(f"seed {seed}: {found} violations, see {log}\n  {shown} {command[0]} -# '{command[2]}'", file=sys.stderr)
    counts = counted(report) or (campaign.counts if not found else {})
    report.unlink(missing_ok=True)
    return {"seed": seed, "counts": counts, "violations": found, "seconds": round(time.monotonic() - start)}


def main() -> int:
    asked = arguments()
    if asked.program:
        print(CAMPAIGNS[asked.campaign].program if asked.campaign in CAMPAIGNS else "")
        return 0
    if asked.campaign == "fuzz":
        command = ["tools/fuzz", "--minutes", str(asked.minutes)]
        command += ["--seed", str(asked.seed)] if asked.seed is not None else []
        command += ["--no-ledger"] if asked.no_ledger else []
        return subprocess.run(command, cwd=ROOT).returncode
    campaign = CAMPAIGNS[asked.campaign]
    shard, shards = map(int, asked.shard.split("/"))
    preset = "release" if asked.release else "dev"
    ledger = ledger_of(asked.campaign)
    last = last_seed(ledger, asked.shard)
    seed = asked.seed if asked.seed is not None else shard if last is None else last + shards
    end = time.monotonic() + 60 * asked.minutes
    found = 0
    while True:
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        line = {"commit": commit(), "date": today, "build": preset, "shard": asked.shard}
        line |= run_once(campaign, asked.campaign, preset, seed)
        found += int(line["violations"])  # type: ignore[call-overload]
        text = json.dumps(line, separators=(",", ":"))
        print(text, flush=True)
        if not asked.no_ledger:
            with ledger.open("a") as out:
                out.write(text + "\n")
        seed += shards
        if time.monotonic() >= end:
            return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
