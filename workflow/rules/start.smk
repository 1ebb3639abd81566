# What the machine is asked before the first job.

from snakemake.utils import available_cpu_count

from sra.plan.workflow import refuse_missing_slurm, use_every_core

use_every_core(workflow, available_cpu_count())


onstart:
    refuse_missing_slurm(workflow.executor_plugin.name)
