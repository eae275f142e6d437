#!/usr/bin/env bash
# A real SLURM of two nodes on this one machine, for tests: no systemd, no accounting database.
#
#   cluster.sh up FOLDER      write its configuration to FOLDER and start munged, slurmctld, slurmd
#   cluster.sh start DAEMON FOLDER    start one again: slurmctld, n1 or n2
#   cluster.sh down FOLDER    end them
#
# Needs root, and Debian's packages slurmctld slurmd slurm-client munge. /etc/slurm/slurm.conf is
# linked to FOLDER, since a job's own commands look there whatever SLURM_CONF says.
set -euo pipefail
action=$1
folder=${!#}
nodes="n1 n2"

configure() {
  mkdir -p "$folder"/{etc,pid,log,state,gpu,munge,spool/n1,spool/n2}
  chmod 755 "$folder"
  for number in 0 1 2 3; do # devices that GPUs can be counted by: copies of /dev/null
    [ -e "$folder/gpu/$number" ] || mknod "$folder/gpu/$number" c 1 3 2>/dev/null || : >"$folder/gpu/$number"
  done
  echo "NodeName=n[1-2] Name=gpu File=$folder/gpu/[0-3]" >"$folder/etc/gres.conf"
  printf '%s\n' CgroupPlugin=cgroup/v1 CgroupAutomount=no ConstrainCores=no ConstrainDevices=no \
    ConstrainRAMSpace=no >"$folder/etc/cgroup.conf"
  local host
  host=$(hostname -s)
  # cred_expire decides how long a requeued job waits; nodes claim more cores than there are.
  cat >"$folder/etc/slurm.conf" <<END
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/pid/slurmctld
SlurmdPidFile=$folder/pid/%n
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=100000
MinJobAge=900
KillWait=3
JobRequeue=1
DefMemPerCPU=100
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=26901 CPUs=16 RealMemory=32000 Gres=gpu:4
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=26902 CPUs=16 RealMemory=32000 Gres=gpu:4
PartitionName=main Nodes=n[1-2] Default=YES DefaultTime=10 PriorityTier=10 PreemptMode=off
PartitionName=low Nodes=n[1-2] PriorityTier=1 PreemptMode=REQUEUE GraceTime=4
PartitionName=high Nodes=n[1-2] PriorityTier=20 PreemptMode=off
END
  mkdir -p /etc/slurm
  for file in slurm.conf gres.conf cgroup.conf; do
    if [ -e "/etc/slurm/$file" ] && [ ! -L "/etc/slurm/$file" ]; then
      echo "/etc/slurm/$file is in use: not touched" >&2
      exit 1
    fi
    ln -sfn "$folder/etc/$file" "/etc/slurm/$file"
  done
}

start_munge() {
  head -c 1024 /dev/urandom >"$folder/munge/key"
  chmod 400 "$folder/munge/key"
  chown -R munge:munge "$folder/munge"
  # --force: the folder may lie below a temporary one, where everybody can write
  setpriv --reuid munge --regid munge --clear-groups munged --force \
    --socket="$folder/munge/socket" --key-file="$folder/munge/key" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" \
    --seed-file="$folder/munge/seed" 2>/dev/null
}

start() {
  if [ "$1" = slurmctld ]; then slurmctld; else slurmd -N "$1"; fi </dev/null >/dev/null 2>&1
}

wait_for_nodes() {
  for _ in $(seq 100); do
    [ "$(sinfo -h -N -p main -t idle -o %N 2>/dev/null | wc -l)" = 2 ] && return
    scontrol update nodename=n[1-2] state=resume 2>/dev/null || true
    sleep 0.1
  done
  tail -n 5 "$folder"/log/*.log >&2
  echo "the nodes did not come up" >&2
  exit 1
}

end() { # end PID-FILE PROGRAM: if that process is still that program
  local pid
  pid=$(tr -dc 0-9 <"$1" 2>/dev/null) || return 0
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 0
  kill "$pid"
  for _ in $(seq 50); do
    case "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)" in "" | Z) return ;; esac
    sleep 0.1
  done
  kill -9 "$pid"
}

case $action in
  up)
    configure
    start_munge
    start slurmctld
    for node in $nodes; do start "$node"; done
    wait_for_nodes
    ;;
  start)
    start "$2"
    ;;
  down)
    timeout 10 scancel --quiet --user="$(id -un)" --signal=KILL --full 2>/dev/null || true
    timeout 10 scancel --quiet --user="$(id -un)" 2>/dev/null || true
    for _ in $(seq 40); do
      [ -z "$(timeout 5 squeue -h -t RUNNING,COMPLETING 2>/dev/null)" ] && break
      sleep 0.25
    done
    for node in $nodes; do end "$folder/pid/$node" slurmd; done
    end "$folder/pid/slurmctld" slurmctld
    end "$folder/munge/pid" munged
    for file in slurm.conf gres.conf cgroup.conf; do
      [ "$(readlink "/etc/slurm/$file")" = "$folder/etc/$file" ] && rm "/etc/slurm/$file"
    done
    ;;
esac
