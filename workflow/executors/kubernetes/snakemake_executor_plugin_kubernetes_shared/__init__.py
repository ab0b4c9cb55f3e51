"""Snakemake's Kubernetes executor, told that all pods see the project's folder.

The plugin can mount a claim into every pod, and yet declares ``implies_no_shared_fs``: Snakemake
then drops whatever ``--shared-fs-usage`` says and asks for a storage provider, through which every
job would fetch its sources and inputs. Here the claim is mounted at one path everywhere, with the
checkout, its environments and the records in it, so that a pod does what a node of Slurm does.

Snakemake finds this package by its name, in the folder that ``make cluster`` puts on PYTHONPATH.
"""

import os
import shlex
from dataclasses import replace
from pathlib import Path

import kubernetes
import snakemake_executor_plugin_kubernetes as plain
from kubernetes.client.rest import ApiException
from snakemake_interface_common.exceptions import WorkflowError
from urllib3.exceptions import HTTPError

ExecutorSettings = plain.ExecutorSettings
common_settings = replace(
    plain.common_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
)
# What `make cluster` and its user set for the notebooks; the plugin passes it as a Secret. Some
# clusters have the GPU's driver in a folder that LD_LIBRARY_PATH must name.
PASSED = ("HF_", "STADE_NB_", "OMP_NUM_THREADS", "IPYTHONDIR", "LD_LIBRARY_PATH")
MANIFESTS = "workflow/kubernetes/base.yaml"


class Core(kubernetes.client.CoreV1Api):
    """The client's API, but a log that cannot be had ends no run."""

    def read_namespaced_pod_log(self, *words: object, **options: object) -> str:
        """The log of a pod that failed, or why there is none.

        The plugin asks for the log of the container before this one. A pod that is not restarted
        has none: the answer is an error, and Snakemake would end and try no job again.
        """
        try:
            return super().read_namespaced_pod_log(*words, **options | {"previous": False})
        except ApiException as refused:
            return f"no log: {refused.reason}"


class Executor(plain.Executor):
    """The plugin's executor, whose pods work in the folder where Snakemake was started."""

    def __post_init__(self) -> None:
        """Reach the cluster. WorkflowError, in one line, where that cannot be."""
        settings = self.workflow.executor_settings
        paths = [volume.path for volume in settings.persistent_volumes]
        if not any(Path.cwd().is_relative_to(path) for path in paths):
            raise WorkflowError(
                f"the jobs would not see {Path.cwd()}: expected a folder of the volume that every "
                f"pod has at {' or '.join(map(str, paths)) or 'no path'}; start it there, see "
                "book/cluster.md"
            )
        try:
            super().__post_init__()
        except kubernetes.config.ConfigException:
            raise WorkflowError(
                "no cluster is known here: expected a pod of it, or KUBECONFIG with the path of a "
                "file that `kubectl get nodes` works with"
            ) from None
        except HTTPError:
            host = kubernetes.client.Configuration.get_default_copy().host
            raise WorkflowError(
                f"no cluster answers at {host}: expected one that `kubectl get nodes` reaches"
            ) from None
        except ApiException as refused:
            raise WorkflowError(
                f"the cluster refuses jobs in the namespace {settings.namespace} ({refused.status} "
                f"{refused.reason}): `kubectl apply -f {MANIFESTS}` makes what is needed"
            ) from None
        self.kubeapi = Core()

    def get_job_exec_prefix(self, job: object) -> str:
        """The plugin starts pods in an empty folder of their own."""
        return f"cd {shlex.quote(str(Path.cwd()))}"

    def envvars(self) -> dict[str, str]:
        """Snakemake's own, and those that the notebooks read."""
        found = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
        return found | dict(super().envvars())
