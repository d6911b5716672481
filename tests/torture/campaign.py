"""The campaigns, counted."""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from . import strikes as blows
from .cuts import NETWORKS, cuts
from .faults import COMMANDS, ERRORS, faults
from .hostile import hostile_folders
from .kills import random_kills
from .memory import starved


@dataclass
class Report:
    """What was tried, how often, and whatever wasn't as promised."""

    counts: list[tuple[str, int]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


def strikes_report(folder: Path, every: int = 1, errors: tuple[str, ...] = blows.ERRORS) -> Report:
    """Strike every so-many-th system call of a save: kill there, fail there once, fail from there on."""
    folder.mkdir()
    log = blows.traced_save(folder)
    report = Report(odd=list(blows.disorder(log, folder / "run")))
    kinds = [("", False), *((error, forever) for error in errors for forever in (False, True))]
    for offset, (error, forever) in enumerate(kinds):
        chosen = islice(blows.strikes(log, error, forever), offset % every, None, every)
        tried = [_struck(folder, blow, report) for blow in chosen]
        how = f"failed with {error}" + (", and all after them" if forever else "") if error else "killed at"
        report.counts.append((f"system calls of a save {how}", sum(tried)))
    return report


def _struck(folder: Path, blow: blows.Strike, report: Report) -> bool:
    run = blows.prepare(folder)
    outcome = blows.strike(folder, blow)
    report.odd += [f"{blow}: {line}" for line in blows.complaints(run, blow, outcome)]
    if not outcome.struck:
        report.odd.append(f"{blow} missed")
    return outcome.struck


def kills_report(folder: Path, kills: int, seed: int = 0) -> Report:
    """Kill training at random moments."""
    folder.mkdir()
    result = random_kills(folder, kills, seed)
    counts = [
        ("training runs killed at a random moment", result.tried),
        ("  after the first step was planned", result.in_training),
        ("runs that didn't load, resume or end as if undisturbed", len(result.odd)),
        ("runs killed again and again that equal the undisturbed one", result.finished),
    ]
    return Report(counts, result.odd)


def cuts_report(folder: Path, every: int = 1) -> Report:
    """Interrupt and resume at every so-many-th place, twice a run."""
    report = Report()
    tried = 0
    for number, network in enumerate(NETWORKS):
        place = folder / str(number)
        place.mkdir(parents=True)
        for cut in cuts(place, network, every):
            tried += 1
            if not cut.is_equal:
                report.odd.append(f"{network} cut at poll {cut.poll} differs from the undisturbed run")
    report.counts = [
        ("cuts tried for exact resume", tried),
        ("  of them equal to the bit", tried - len(report.odd)),
    ]
    return report


def faults_report(folder: Path, every: int = 1, errors: tuple[str, ...] = ERRORS) -> Report:
    """Whole commands in which so-many-th file operations fail once."""
    report = Report()
    for number, command in enumerate(COMMANDS):
        result = faults(folder / str(number), command, every, errors)
        report.odd += result.odd
        report.counts += [
            (f"file operations of `{command.name}` that failed once", result.tried),
            ("  after which it ended with an error that names the thing", result.told),
        ]
    return report


def memory_report(folder: Path, step: int = 256) -> Report:
    """Commands that get `step` kilobytes less of memory each time."""
    tried, refused, odd = starved(folder, step)
    return Report(
        [("commands whose memory ran out somewhere", tried), ("  which they said in a line", refused)], odd
    )


def hostile_report(folder: Path, every: int = 1) -> Report:
    """Run folders in which a name is something else."""
    tried, refused, odd = hostile_folders(folder, every)
    return Report(
        [("commands on a hostile run folder", tried), ("  which they refused in a line", refused)], odd
    )
