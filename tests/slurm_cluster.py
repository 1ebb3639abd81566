"""A Slurm cluster of two nodes on this machine. Its daemons talk over the loopback interface and end with the test session.

Slurm's commands find the cluster by their one default configuration file, so that jobs need no environment to find it: it is written for the
session and removed after it, as are the nodes' names in /etc/hosts. An installation that is not ours is left alone.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CONFIG = Path("/etc/slurm")
MARK = "# written by the tests of sra-repro\n"
NODES = ("sra1", "sra2")
HOSTS = Path("/etc/hosts")  # trainings of two nodes meet at the first one's name
FREEZER = Path("/sys/fs/cgroup/freezer")  # of cgroup v1: what Slurm 22.05 tracks processes by without systemd
DAEMONS = ("munged", "slurmctld", "slurmd")
SECONDS = 30

CLUSTER = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType={tracker}
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmUser=root
SlurmdUser=root
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmdTimeout=5
KillWait=20
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=600
NodeName=sra1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=16000
NodeName=sra2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=16000
PartitionName=cpu Nodes=sra1,sra2 LLN=YES Default=YES MaxTime=INFINITE State=UP
"""
CGROUPS = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nCgroupMountpoint=/sys/fs/cgroup\n"


def why_not() -> str | None:
    """What keeps a cluster from being started here."""
    missing = [program for program in DAEMONS if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"Slurm is not installed here ({', '.join(missing)} not found): apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "only root can start Slurm's daemons"
    found = (CONFIG / "slurm.conf").read_text(encoding="utf-8") if (CONFIG / "slurm.conf").exists() else ""
    if found and not found.startswith(MARK):
        return f"{CONFIG}/slurm.conf is of a cluster that is not the tests'"
    return None


def wait_until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> object:
    """What the condition answers, once that is true."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {seconds} seconds in vain: {what}"
        time.sleep(0.05)
    return answer


class SlurmCluster:
    def __init__(self, folder: Path):
        self.folder = folder
        self.lock = None

    def take_place(self) -> bool:
        """Unless another session has its cluster on this machine."""
        CONFIG.mkdir(exist_ok=True)
        self.lock = (CONFIG / "slurm.conf").open("a", encoding="utf-8")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def start(self) -> None:
        self._end_daemons(_folder_in(CONFIG / "slurm.conf"))  # of a session that was killed
        tracker = "proctrack/cgroup" if os.access(FREEZER, os.W_OK) else "proctrack/linuxproc"
        text = CLUSTER.format(host=socket.gethostname().partition(".")[0], folder=self.folder, ports=_free_ports(3), tracker=tracker)
        for name, content in {"slurm.conf": text, "cgroup.conf": CGROUPS}.items():
            (CONFIG / name).write_text(MARK + content, encoding="utf-8")
        _write_hosts(f"127.0.0.1 {' '.join(NODES)} {MARK}")
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        (self.folder / "key").write_bytes(os.urandom(128))
        (self.folder / "key").chmod(0o600)
        places = {"key-file": "key", "socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "seed"}
        _daemon("munged", "--force", *(f"--{option}={self.folder / name}" for option, name in places.items()))
        _daemon("slurmctld")
        for node in NODES:
            self.start_node(node)

    def start_node(self, node: str) -> None:
        _daemon("slurmd", "-N", node)
        wait_until(lambda: self.ask("sinfo", "-h", "-n", node, "-o", "%T") in ("idle", "mixed", "allocated"), f"{node} does not answer")

    def stop(self) -> None:
        self._end_daemons(self.folder)
        for name in ("slurm.conf", "cgroup.conf"):
            (CONFIG / name).unlink(missing_ok=True)
        _write_hosts("")
        self.lock.close()

    def kill_node(self, node: str) -> None:
        """As a power failure does: its daemon and all that runs there, at once."""
        jobs = self.ask("squeue", "-h", "-w", node, "-o", "%i").split()
        _kill(int((self.folder / f"slurmd.{node}.pid").read_text()))
        for job in jobs:
            for process in _processes_of(job):
                _kill(process)

    def ask(self, *command: str) -> str:
        """What a command of Slurm's answers; nothing of one that fails."""
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def job(self, name: str) -> str | None:
        """The number of the job with a comment that ends so, if it runs."""
        rows = (row.split() for row in self.ask("squeue", "-h", "-t", "running", "-o", "%i %k").splitlines())
        return next((number for number, comment in rows if comment.endswith(name)), None)

    def state(self, job: str) -> str:
        """Such as RUNNING or TIMEOUT; Slurm remembers jobs that ended for ten minutes."""
        return self.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")

    def start_now(self, job: str) -> None:
        """A job that went back into the queue waits two minutes there, lest its old pieces are still about."""
        self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def _end_daemons(self, folder: Path | None) -> None:
        """Jobs first, by Slurm; then the daemons, and what they left."""
        if folder is None:
            return
        pids = {path.stem: int(path.read_text()) for path in folder.glob("*.pid")}
        alive = {name: pid for name, pid in pids.items() if name.partition(".")[0] in _name(pid)}
        if "slurmctld" in alive:
            jobs = self.ask("squeue", "-h", "-o", "%i").split()
            left = [process for job in jobs for process in _processes_of(job)]
            self.ask("scancel", "--full", "--signal=KILL", *jobs)
            for process in left:
                _kill(process)
        for name in sorted(alive, reverse=True):  # munged last
            os.kill(alive[name], signal.SIGTERM)
            end = time.monotonic() + SECONDS
            while _name(alive[name]) and time.monotonic() < end:
                time.sleep(0.05)
            _kill(alive[name])
        for group in FREEZER.glob("slurm_sra*"):
            for inner in sorted(group.rglob("*/"), reverse=True):
                _remove_group(inner)
            _remove_group(group)


def _remove_group(folder: Path) -> None:
    if folder.name not in ("", ".") and folder.is_dir():
        try:
            folder.rmdir()
        except OSError:  # a process in it ends just now
            return


def _daemon(*command: str) -> None:
    path = f"{os.environ['PATH']}:/usr/sbin"
    done = subprocess.run(command, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _write_hosts(ours: str) -> None:
    """In place: in a container the file cannot be replaced."""
    others = [line for line in HOSTS.read_text(encoding="utf-8").splitlines(keepends=True) if not line.endswith(MARK)]
    HOSTS.write_text("".join([*others, ours]), encoding="utf-8")


def _folder_in(config: Path) -> Path | None:
    found = re.search(r"^StateSaveLocation=(.*)/state$", config.read_text(encoding="utf-8"), re.MULTILINE)
    return Path(found[1]) if found else None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _name(process: int) -> str:
    """Empty of one that has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def _processes_of(job: str) -> list[int]:
    """Slurm's own first, which would report the end of the others."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            steps = (folder / "cmdline").read_bytes().startswith(f"slurmstepd: [{job}.".encode())
            if steps or f"\0SLURM_JOB_ID={job}\0".encode() in b"\0" + (folder / "environ").read_bytes():
                found.append((not steps, int(folder.name)))
        except OSError:  # it has ended
            continue
    return [process for _, process in sorted(found)]


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
