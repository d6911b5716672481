"""Which of several processes this is, from the variables of whoever started it. Needs no torch.

torchrun sets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, and so may anybody; of
Slurm's srun and of Open MPI's mpirun their own variables are read.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from charnn.config import TrainOptions
from charnn.errors import InputError
from charnn.storage.run_folder import RunFolder

FIRST_PORT, PORTS = 20_000, 10_000  # where the job's own number says which, as nobody else does
LAUNCHED = "CHARNN_LAUNCHED"  # a variable of processes that charnn train --nproc started
_LOCAL = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """One process of `size`, `local_rank` of the `local_size` on its machine; rank 0 is to be found at `address`."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    address: str
    port: int
    restarts: int = 0

    def environment(self) -> dict[str, str]:
        """The variables that torch.distributed reads."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
        }


def find_place(environ: Mapping[str, str] = os.environ) -> Place | None:
    """The place of this process, or None where it was started alone. Raises InputError where variables contradict."""
    if "RANK" in environ and "WORLD_SIZE" in environ:
        return _of_torch(environ)
    if "OMPI_COMM_WORLD_RANK" in environ:
        return _of_open_mpi(environ)
    if (
        "SLURM_PROCID" in environ and "SLURM_STEP_NUM_TASKS" in environ
    ):  # a batch script has no step of its own
        return _of_slurm(environ)
    return None


def with_processes(options: TrainOptions, place: Place | None) -> TrainOptions:
    """The options of one of several processes; started again after one of them died, it goes on with the run.

    Raises InputError where --nproc says another number than whoever started this process.
    """
    nproc = options.get("nproc", 1)
    if nproc > 1 and (place is None or place.size != nproc):
        started = "1 process runs" if place is None else f"{place.size} run"
        raise InputError(
            f"--nproc {nproc}, but {started}: charnn train --nproc starts processes, torchrun has an option of its own"
        )
    out = options.get("out")
    if place is None or not place.restarts or out is None or not RunFolder(Path(out)).holds_a_run:
        return options
    return {name: value for name, value in options.items() if name != "overwrite"} | {"resume": True}


def _of_torch(environ: Mapping[str, str]) -> Place:
    rank, size = _number(environ, "RANK"), _number(environ, "WORLD_SIZE", least=1)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not environ.get(name):
            raise InputError(f"RANK and WORLD_SIZE are set, but {name} isn't; set it to that of rank 0")
    local_rank = _number(environ, "LOCAL_RANK") if "LOCAL_RANK" in environ else 0
    local_size = _number(environ, "LOCAL_WORLD_SIZE", least=1) if "LOCAL_WORLD_SIZE" in environ else 1
    if "LOCAL_RANK" not in environ and environ["MASTER_ADDR"] in (_LOCAL, "localhost"):
        local_rank, local_size = rank, size
    port = _number(environ, "MASTER_PORT", least=1)
    restarts = (
        _number(environ, "TORCHELASTIC_RESTART_COUNT") if "TORCHELASTIC_RESTART_COUNT" in environ else 0
    )
    return _checked(Place(rank, size, local_rank, local_size, environ["MASTER_ADDR"], port, restarts))


def _of_open_mpi(environ: Mapping[str, str]) -> Place | None:
    rank, size = _number(environ, "OMPI_COMM_WORLD_RANK"), _number(environ, "OMPI_COMM_WORLD_SIZE", least=1)
    if size == 1:
        return None
    local_rank = _number(environ, "OMPI_COMM_WORLD_LOCAL_RANK")
    local_size = _number(environ, "OMPI_COMM_WORLD_LOCAL_SIZE", least=1)
    address = environ.get("MASTER_ADDR") or (_LOCAL if local_size == size else None)
    if address is None:
        raise InputError(
            "mpirun started processes on several machines; say where rank 0 runs: mpirun -x MASTER_ADDR=HOST …"
        )
    job = environ.get("PMIX_NAMESPACE") or environ.get("OMPI_MCA_ess_base_jobid") or ""
    return _checked(Place(rank, size, local_rank, local_size, address, _port(environ, job)))


def _of_slurm(environ: Mapping[str, str]) -> Place | None:
    rank, size = _number(environ, "SLURM_PROCID"), _number(environ, "SLURM_STEP_NUM_TASKS", least=1)
    if size == 1:
        return None
    local_rank = _number(environ, "SLURM_LOCALID")
    tasks = re.match(r"\d+", environ.get("SLURM_STEP_TASKS_PER_NODE", ""))
    local_size = int(tasks[0]) if tasks else 1
    nodes = environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_NODELIST") or ""
    address = environ.get("MASTER_ADDR") or first_host(nodes)
    if not address:
        raise InputError("srun names no machine; set MASTER_ADDR to that of rank 0")
    job = f"{environ.get('SLURM_JOB_ID', '')}.{environ.get('SLURM_STEP_ID', '')}"
    return _checked(
        Place(rank, size, local_rank, max(local_size, local_rank + 1), address, _port(environ, job))
    )


def first_host(nodes: str) -> str:
    """`a[03-07,9]-x,b` → `a03-x`: the first of Slurm's list of machines."""
    match = re.match(r"([^,\[]*)(?:\[([^\],-]+)[^\]]*\])?([^,\[]*)", nodes)
    return "".join(part or "" for part in match.groups()) if match else ""


def _port(environ: Mapping[str, str], job: str) -> int:
    """One that all processes of a job agree on without having talked."""
    if environ.get("MASTER_PORT"):
        return _number(environ, "MASTER_PORT", least=1)
    return FIRST_PORT + crc32(job.encode()) % PORTS


def _number(environ: Mapping[str, str], name: str, least: int = 0) -> int:
    text = environ.get(name, "")
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < least:
        raise InputError(f"the variable {name} is {text[:40]!r}: it must be a whole number from {least} up")
    return int(text)


def _checked(place: Place) -> Place:
    if place.rank >= place.size:
        raise InputError(f"this is rank {place.rank} of {place.size} processes: ranks count from 0")
    return place
