"""Health of training in plain words: alarms, collapse meter, loss, speed and time spent waiting."""

from __future__ import annotations

from statistics import fmean

from undercoat.report.blocks import more, note, numbers, section
from undercoat.report.curves import coats_of
from undercoat.report.figures import rank_drawing, wait_drawing
from undercoat.report.folder import Found, Stage
from undercoat.report.markup import Markup, tag
from undercoat.report.method_numbers import numbers_drawings, unlearned
from undercoat.report.wording import count, duration, listed, number

__all__ = ["health_section"]

METER = {
    "feature_std": "spread of features (1 is even)",
    "effective_rank": "effective rank",
    "alignment": "alignment",
    "uniformity": "uniformity",
}
WAITING = 0.2  # above this share of the time the data, not the network, sets the speed
ALARMS_SHOWN = 5
UNFINISHED_SHOWN = 8  # above this, counted rather than named


def _change(stage: Stage, key: str) -> str:
    values = [value for _, value in stage.series(key)]
    return f"{values[0]:.3g} → {values[-1]:.3g}" if values else "–"


def _alarms(stage: Stage) -> list[Markup]:
    """Each alarm once, with the step at which it first rang and how often it did."""
    rung: dict[str, list[int]] = {}
    for line in stage.log:
        alarm = line.get("alarm")
        for text in alarm if isinstance(alarm, list) else [alarm]:
            if text:
                rung.setdefault(str(text), []).append(int(number(line.get("step")) or 0))
    items = [
        tag("li", f"Step {steps[0]:,}: {text}" + (f" ({len(steps)} times)" if len(steps) > 1 else ""))
        for text, steps in list(rung.items())[:ALARMS_SHOWN]
    ]
    left = len(rung) - len(items)
    return [*items, tag("li", f"and {left} more kinds of alarm in log.jsonl")] if left > 0 else items


def _waited(stage: Stage) -> str:
    shares = [value for _, value in stage.series("data_wait")]
    if not shares:
        return "Time spent waiting for data was not logged."
    share = fmean(shares)
    words = f"It waited for data {100 * share:.0f}\N{NO-BREAK SPACE}% of the time"
    return f"{words}: reading and augmenting set the speed, not the network." if share > WAITING else f"{words}."


def _speed(stage: Stage) -> str:
    speeds = [value for _, value in stage.series("images_per_second")]
    seconds = number((stage.done or {}).get("seconds"))
    took = f"took {duration(seconds)}" if seconds is not None else ""
    fast = f"ran at {fmean(speeds):,.0f} images/s on average" if speeds else ""
    said = " and ".join(part for part in (took, fast) if part)
    return f"It {said}." if said else ""


def _state_words(name: str, seed: int, stage: Stage) -> list[object]:
    bad = stage.state != "finished"
    return [
        tag("strong", name),
        f", seed {seed}: ",
        tag("span", stage.state, class_="bad" if bad else "good"),
        ". ",
    ]


def _card(name: str, seed: int, stage: Stage) -> Markup:
    alarms = _alarms(stage)
    quiet = "No alarm rang." if stage.log else "Nothing was logged, so its health cannot be told."
    words = tag("p", _state_words(name, seed, stage), _speed(stage), " ", _waited(stage) if stage.log else None)
    rung = tag("ul", alarms, class_="alarms") if alarms else tag("p", quiet, class_="small")
    return tag("li", words, rung)


def _meter(found: Found) -> object:
    rows = [
        [f"{coat.name}, seed {seed}", *(_change(stage, key) for key in METER), _change(stage, "loss")]
        for coat in coats_of(found)
        for seed, stage in coat.stages
    ]
    rank, wait = rank_drawing(found), wait_drawing(found)
    nothing = note("The collapse meter recorded nothing: it measures embeddings, which not every method has.")
    table = numbers("From the first to the last log line", ["coat", *METER.values(), "loss"], rows)
    drawn = [one.block for one in (rank, wait) if one]
    figures = tag("div", drawn, class_="grid") if drawn else None
    return [None if rank else nothing, figures, more("All meters, first → last", table) if rows else None]


def _own_numbers(found: Found) -> list[object]:
    """What methods say of their own tasks: those with a chance level at once, the others on request."""
    drawings = numbers_drawings(found)
    judged = [one.block for one in drawings if one.has_reference]
    others = [one.block for one in drawings if not one.has_reference]
    if not drawings:
        return []
    said = [tag("p", str(one), class_="bad") for one in unlearned(found)]
    shown = tag("div", judged, class_="grid") if judged else None
    hidden = more("Other numbers of the methods", tag("div", others, class_="grid")) if others else None
    return [
        tag("h3", "Did each method learn its own task?" if judged else "The methods' own numbers"),
        said,
        shown,
        hidden,
    ]


def _other_stages(found: Found) -> Markup | None:
    trained = {stage.digest for coat in coats_of(found) for _, stage in coat.stages}
    rows = [
        [
            stage.name,
            stage.kind or "–",
            ", ".join(arm.name for arm in found.users(digest)) or "–",
            stage.state,
        ]
        for digest, stage in found.stages.items()
        if digest not in trained
    ]
    head = ["stage", "kind", "arms", "state"]
    return more("Stages that do not train", numbers("Stages that do not train", head, rows, 4)) if rows else None


def unfinished(found: Found) -> list[str]:
    """Name every stage that is not finished, so that none is silently missing."""
    said = []
    for digest, stage in found.stages.items():
        if stage.state == "finished":
            continue
        seeds = sorted({seed for arm in found.arms for seed, chain in arm.stages.items() if digest in chain})
        seed = f", seed {', '.join(str(one) for one in seeds)}" if seeds else ""
        users = [arm.name for arm in found.users(digest)]
        where = f" (in {listed(users)})" if users and users != [stage.name] else ""
        said.append(f"{stage.name}{where}{seed}: {stage.state}.")
    return said if len(said) <= UNFINISHED_SHOWN else _grouped(found)


def _grouped(found: Found) -> list[str]:
    """How many stages of each state, and of which arms, where a list of all would fill the page."""
    states: dict[str, list[str]] = {}
    for digest, stage in found.stages.items():
        if stage.state != "finished":
            states.setdefault(stage.state.partition(":")[0], []).append(digest)
    said = []
    for state, digests in states.items():
        arms = [arm.name for arm in found.arms if any(set(digests) & set(chain) for chain in arm.stages.values())]
        more_arms = f" and {len(arms) - UNFINISHED_SHOWN} more" if len(arms) > UNFINISHED_SHOWN else ""
        where = f", in the arms {', '.join(arms[:UNFINISHED_SHOWN])}{more_arms}" if arms else ""
        said.append(f"{len(digests)} of {len(found.stages)} stages {state}{where}.")
    return said


def health_section(found: Found) -> Markup:
    """One paragraph per trained stage, the meters as figures, and the stages that do not train."""
    cards = [_card(coat.name, seed, stage) for coat in coats_of(found) for seed, stage in coat.stages]
    body = tag("ul", cards, class_="stages") if cards else note("No stage was trained, so there is nothing to watch.")
    total = sum(number((stage.done or {}).get("seconds")) or 0 for stage in found.stages.values())
    said = tag("p", f"All {count(len(found.stages))} stages together took {duration(total)}.") if total else None
    return section("health", "Health", said, body, _meter(found), _own_numbers(found), _other_stages(found))
