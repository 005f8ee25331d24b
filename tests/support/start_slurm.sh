#!/bin/sh
# Starts a Slurm of one node on this machine, for tests:  start_slurm.sh [start|stop]
#
# For a container or a virtual machine of your own, as root, after `apt-get install slurm-wlm munge`. The configuration
# has to be /etc/slurm/slurm.conf, since jobs do not inherit SLURM_CONF; one that is not ours is never touched.
# Where it cannot start, the last line says why, and the exit status is 77.
set -eu

conf=/etc/slurm/slurm.conf
mark="# written by start_slurm.sh of genolstm"
state=/var/lib/genolstm-slurm

no() { echo "$1"; exit 77; }

running() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

stop() {
    for name in slurmd slurmctld; do
        if running "$state/$name.pid"; then kill "$(cat "$state/$name.pid")"; fi
    done
    if [ -f $conf ] && grep -qxF "$mark" $conf; then rm $conf; fi
}

case ${1:-start} in
stop) stop; exit 0 ;;
start) ;;
*) echo "usage: start_slurm.sh [start|stop]" >&2; exit 2 ;;
esac

for program in munged slurmctld slurmd sinfo sbatch; do
    command -v $program >/dev/null || no "no $program: apt-get install slurm-wlm munge"
done
[ "$(id -u)" -eq 0 ] || no "only root can start slurmd"
if [ -f $conf ] && ! grep -qxF "$mark" $conf; then no "$conf is not ours: this machine belongs to a cluster"; fi
if [ -f $conf ] && running "$state/slurmctld.pid" && running "$state/slurmd.pid"; then
    echo "Slurm runs already"
    exit 0
fi

host=$(hostname)
mkdir -p "$state/ctld" "$state/d" /run/munge /var/log/munge /etc/slurm
[ -f /etc/munge/munge.key ] || no "munge has no key: run mungekey"
chown munge: /run/munge /var/log/munge
if ! munge -n >/dev/null 2>&1; then
    su -s /bin/sh munge -c munged || no "munged does not start"
fi
cat >$conf <<END
$mark
ClusterName=genolstm
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
SwitchType=switch/none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=600
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/d
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(($(sed -n "s/^MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo) / 1024)) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
slurmctld || no "slurmctld does not start: $(tail -n 1 $state/slurmctld.log 2>/dev/null)"
slurmd || no "slurmd does not start: $(tail -n 1 $state/slurmd.log 2>/dev/null)"
for _ in $(seq 60); do
    if sinfo -h -o %t 2>/dev/null | grep -qE '^(idle|mix|alloc)$'; then
        echo "Slurm runs"
        exit 0
    fi
    sleep 1
done
no "the node does not come up: $(sinfo -h -o %t 2>&1 | tail -n 1)"
