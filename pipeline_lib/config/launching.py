"""Where the long work runs, and on how much of a machine: nothing that changes what is learnt."""

from typing import Literal

from pydantic import Field

from pipeline_lib.config.base import Section


class Slurm(Section):
    """What a job asks of SLURM; each key is an option of `sbatch`."""

    nodes: int = Field(1, ge=1, description="Machines of a job.")
    gpus: int = Field(1, ge=0, description="GPUs of each machine, with one process for each.")
    cpus: int = Field(8, ge=1, description="Cores of each process.")
    memory_gb: float | None = Field(
        None, gt=0, description="Memory of each machine; without it, what the partition gives."
    )
    hours: float = Field(
        24.0,
        gt=0,
        description="Time limit of a job. Pretraining takes as many jobs, one after another, as "
        "it needs.",
    )
    partition: str | None = Field(None, description="Partition, or several with commas.")
    account: str | None = Field(None, description="Account to charge.")
    qos: str | None = Field(None, description="Quality of service.")
    constraint: str | None = Field(None, description="Features that machines must have.")
    grace_seconds: int = Field(
        120, ge=5, description="How long before its time limit a job is told to save and requeue."
    )
    extra: dict[str, str | int | bool] = Field(
        default_factory=dict,
        description="Other options of `sbatch` by their long names, such as `{exclusive: true, "
        "reservation: course}`.",
    )
    setup: tuple[str, ...] = Field(
        (),
        description="Lines of shell run in every job before Python: `module load`, `conda "
        "activate`, `export`.",
    )
    python: str | None = Field(
        None,
        description="Command to start Python with, such as `apptainer exec --nv image.sif "
        "python`; default: the Python that runs Snakemake.",
    )
    poll_seconds: float = Field(
        15.0, gt=0, description="How often the waiting rule asks for the state of its job."
    )


class Launching(Section):
    """Where the long work of a stage runs."""

    launcher: Literal["local", "slurm"] = Field(
        "local",
        description="`local`: in the rule's own process, on this machine; `slurm`: in a job that "
        "the rule submits and waits for.",
    )
    slurm: Slurm = Field(Slurm(), description="What a job asks of SLURM, for `launcher: slurm`.")


class Parallel(Launching):
    """How a training run is spread over processes; the result differs by rounding alone."""

    processes: int | None = Field(
        None,
        ge=1,
        description="Processes on each machine, which share each batch; default: one for each "
        "GPU, or a single one.",
    )
    parallel: Literal["auto", "ddp", "fsdp"] = Field(
        "auto",
        description="`ddp`: every process holds the whole model; `fsdp`: each holds a share of "
        "weights, gradients and optimizer; `auto`: `fsdp` if the model fits no other way.",
    )
    compile: Literal["auto", "yes", "no"] = Field(
        "auto", description="Compile the layers with torch.compile; `auto`: on a GPU."
    )
    data_workers: int = Field(1, ge=1, description="Threads that prepare batches ahead of time.")
    stall_minutes: float = Field(
        15.0, gt=0, description="Stop if a step takes longer, and say which process is behind."
    )


WITHOUT_EFFECT = frozenset(Parallel.model_fields)
"""Keys that say how a run is carried out: a change of them is no reason to run anything again."""
