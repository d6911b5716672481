"""Going on with a run: more budget is accepted, options that would change it are refused by name."""

from dataclasses import replace
from typing import Any

from charnn.config import Budget, TrainConfig, TrainOptions
from charnn.errors import InputError
from charnn.model.kinds import kind_options
from charnn.training.options import option_name

_BUDGETS = ("minutes", "steps", "epochs")
_FREE = ("out", "resume", "overwrite", "device", "threads", "save_every", "keep", "sample_every")


def continued_config(config: TrainConfig, sources: tuple[str, ...], options: TrainOptions) -> TrainConfig:
    """The run's configuration with a larger budget, if one is given.

    Raises InputError naming what would change the run.
    """
    if sources and sources != config.data.sources:
        raise InputError(
            f"this run was trained on {', '.join(config.data.sources)}; leave CORPUS out to go on with it"
        )
    for name, value in options.items():
        if name not in _FREE and name not in _BUDGETS:
            _require_same(name, value, setting(config, name))
    budget = _continued_budget(config.budget, options)
    threads, device = options.get("threads", config.threads), options.get("device", config.device)
    return replace(config, budget=budget, threads=threads, device=device)


def _continued_budget(old: Budget, options: TrainOptions) -> Budget:
    changes: dict[str, Any] = {}
    for name in _BUDGETS:
        if name not in options:
            continue
        given, had = options[name], getattr(old, name)  # type: ignore[literal-required]
        if had is None:
            raise InputError(
                f"{option_name(name)} {given} would change this run, whose budget is {_shown(old)}"
            )
        if given < had:
            raise InputError(
                f"{option_name(name)} {given} is less than this run's {had:g}; give as much or more"
            )
        changes[name] = given
    return replace(old, **changes)


def _shown(budget: Budget) -> str:
    return ", ".join(f"{option_name(n)} {v:g}" for n in _BUDGETS if (v := getattr(budget, n)) is not None)


def setting(config: TrainConfig, name: str) -> Any:
    """What a run has for the option called `name`. Raises InputError for an option that shapes no run."""
    if name in (of_kind := kind_options(config.model.kind)):
        return of_kind[name]
    for section in (config, config.model, config.optim, config.data, config.budget):
        if hasattr(section, name):
            return getattr(section, name)
    raise InputError(f"{option_name(name)} can't be given with --resume")


def _require_same(name: str, given: Any, had: Any) -> None:
    if given != had and not (name == "precision" and given == "auto"):
        raise InputError(
            f"{option_name(name)} {given!r} would change this run, which was begun with {had!r}; "
            "leave it out, or start a new run with another --out"
        )
