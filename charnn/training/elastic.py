"""charnn train --nproc: torch's elastic launcher in this process, so that exit codes and messages are charnn's own.

It starts this command once for each rank, with the variables that torchrun sets, ends all when one has ended, and
passes signals on. What a rank's error is, that rank says; of one that was killed the launcher says so.
"""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from shlex import quote
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import torch
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing import api as processes
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from charnn.config import DistributedConfig, TrainOptions
from charnn.errors import FollowedError, InputError, InterruptedRunError, LostProcessError
from charnn.training.place import LAUNCHED

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def launch(arguments: Sequence[str], config: DistributedConfig, options: TrainOptions) -> None:
    """Run `charnn` with these arguments in several processes, until all are done.

    Raises InterruptedRunError or FollowedError as they ended, and LostProcessError naming one that was killed.
    """
    if config.max_restarts and "out" not in options:
        raise InputError("--max-restarts goes on with the run in --out; name its folder")
    logging.disable(logging.CRITICAL)
    _share_threads(config.nproc)
    os.environ[LAUNCHED] = "1"
    with TemporaryDirectory(prefix="charnn-") as logs:
        described = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=config.nproc,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=config.max_restarts,
            monitor_interval=0.1,
            local_addr="127.0.0.1",
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        _signal_once()
        command = ["-m", "charnn", *(argument.replace("$", "$$") for argument in arguments)]
        try:
            elastic_launch(described, sys.executable)(*command)
        except SignalException as error:
            raise InterruptedRunError("", int(error.sigval)) from None
        except ChildFailedError as error:
            raise _explained(error.failures, options) from None


def _share_threads(nproc: int) -> None:
    """Each process its share of the processors, unless OMP_NUM_THREADS says otherwise."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // nproc)))


def _signal_once() -> None:
    """Let the launcher pass a signal on once: terminals and schedulers send it to the ranks as well, or twice."""
    came: list[int] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        if not came:
            came.append(signum)
            raise SignalException(f"signal {signum}", signal.Signals(signum))

    processes._terminate_process_handler = (
        stop  # the launcher's own raises each time, and gives up its processes
    )


def _explained(failures: Mapping[int, Any], options: TrainOptions) -> LostProcessError | InterruptedRunError:
    """How the ranks ended: one that was killed comes first, then what a rank has said itself."""
    codes = {rank: failure.exitcode for rank, failure in sorted(failures.items())}
    for rank, code in codes.items():
        if code < 0 and -code not in STOPPING:
            name = signal.Signals(-code).name
            folder = options.get("out")
            out = f" --out {quote(folder)}" if folder else ""
            return LostProcessError(
                f"rank {rank} was killed by {name}; to go on: charnn train --resume{out} --nproc {len(codes)}"
            )
    stopped = next((-code for code in codes.values() if code < 0), None)
    failed = max((code for code in codes.values() if code > 0), default=0)
    return InterruptedRunError("", stopped) if stopped and not failed else FollowedError(failed or 1)
