"""Long work in other processes: several on this machine, or a job of SLURM that is waited for."""
