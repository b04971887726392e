import type { Check } from '../check.js';
import { otherThanOutside, refused } from '../judge.js';

/** Of /proc, beyond what programs need of the machine. */
const TELLING =
  'kallsyms keys key-users cmdline config.gz modules locks partitions diskstats swaps interrupts softirqs schedstat vmstat zoneinfo buddyinfo pagetypeinfo slabinfo iomem ioports mdstat crypto devices misc dma fb consoles kmsg kcore kpagecount kpageflags timer_list vmallocinfo sched_debug latency_stats bus/pci/devices acpi/wakeup scsi/scsi driver/rtc tty/drivers fs/nfsd/exports'.split(
    ' ',
  );

/** Of its first process: who has started it, or an init that is trusted. */
const OF_FIRST = 'environ maps smaps mem auxv io syscall stack pagemap numa_maps timers'.split(' ');

/** Settings that are the machine's, whoever writes them. */
const SETTINGS =
  'kernel/hostname kernel/domainname kernel/core_pattern kernel/modprobe kernel/hotplug kernel/sysrq kernel/panic kernel/dmesg_restrict kernel/kptr_restrict kernel/perf_event_paranoid kernel/unprivileged_bpf_disabled kernel/randomize_va_space kernel/yama/ptrace_scope kernel/ns_last_pid kernel/pid_max kernel/threads-max kernel/shmmax kernel/msgmax kernel/sem kernel/keys/maxkeys vm/drop_caches vm/overcommit_memory vm/swappiness vm/mmap_min_addr fs/file-max fs/suid_dumpable fs/protected_symlinks fs/binfmt_misc/register fs/mqueue/queues_max net/ipv4/ip_forward net/core/somaxconn net/ipv4/ip_unprivileged_port_start user/max_user_namespaces user/max_net_namespaces user/max_inotify_instances'.split(
    ' ',
  );

/** What acts on the machine when it is written. */
const SWITCHES =
  '/proc/sysrq-trigger /proc/1/oom_score_adj /proc/irq/default_smp_affinity /proc/mtrr /proc/acpi/wakeup /proc/timer_stats /sys/power/state /sys/kernel/uevent_helper /sys/kernel/mm/transparent_hugepage/enabled /sys/kernel/mm/ksm/run /sys/module/kernel/parameters/panic /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/pids/cgroup.procs /sys/fs/cgroup/cgroup.subtree_control /sys/kernel/debug/tracing/tracing_on /sys/kernel/tracing/tracing_on /sys/class/net/lo/mtu /sys/bus/pci/rescan /sys/devices/system/cpu/cpu1/online'.split(
    ' ',
  );

/** Of /sys, what tells of the machine. */
const OF_SYS =
  '/sys/kernel/notes /sys/kernel/vmcoreinfo /sys/firmware/acpi/tables/DSDT /sys/class/dmi/id/product_uuid /sys/class/dmi/id/product_name /sys/block /sys/class/net /sys/module /sys/fs/cgroup/cgroup.controllers /sys/kernel/security/lsm /sys/devices/system/cpu/vulnerabilities/meltdown'.split(
    ' ',
  );
const LISTED = ['/sys/block', '/sys/class/net', '/sys/module'];

export const KERNEL: readonly Check[] = [
  ...TELLING.map((name): Check => ({
    group: 'kernel',
    id: `read-proc/${name}`,
    title: `reads /proc/${name}`,
    operation: ['read', `/proc/${name}`],
    judge: refused,
  })),
  ...OF_FIRST.map((name): Check => ({
    group: 'kernel',
    id: `read-first/${name}`,
    title: `reads /proc/PID/${name} of its first process`,
    operation: ({ first }) => ['read', `/proc/${first}/${name}`],
    judge: refused,
  })),
  ...['root', 'cwd', 'exe', 'ns/mnt', 'ns/net'].map((name): Check => ({
    group: 'kernel',
    id: `link-first/${name}`,
    title: `follows /proc/PID/${name} of its first process`,
    operation: ({ first }) => ['link', `/proc/${first}/${name}`],
    judge: refused,
  })),
  ...SETTINGS.map((name): Check => ({
    group: 'kernel',
    id: `set/${name}`,
    title: `opens /proc/sys/${name} for writing`,
    operation: ['write', `/proc/sys/${name}`],
    judge: refused,
  })),
  ...SWITCHES.map((path): Check => ({
    group: 'kernel',
    id: `switch${path}`,
    title: `opens ${path} for writing`,
    operation: ['write', path],
    judge: refused,
  })),
  ...OF_SYS.map((path): Check => ({
    group: 'kernel',
    id: `read${path}`,
    title: `reads ${path}`,
    operation: [LISTED.includes(path) ? 'list' : 'read', path],
    judge: refused,
  })),
  {
    group: 'kernel',
    id: 'boot-id',
    title: 'knows which machine and start of it this is',
    operation: ['read', '/proc/sys/kernel/random/boot_id'],
    judge: otherThanOutside,
  },
  {
    group: 'kernel',
    id: 'mounts',
    title: 'sees the mounts of the host',
    operation: ['read', '/proc/self/mountinfo'],
    judge: otherThanOutside,
  },
  {
    group: 'kernel',
    id: 'cgroup',
    title: 'sees the cgroup in which it is',
    operation: ['cgroup'],
    judge: refused,
  },
  {
    group: 'kernel',
    id: 'memory-of-first',
    title: 'opens the memory of its first process for writing',
    operation: ({ first }) => ['write', `/proc/${first}/mem`],
    judge: refused,
  },
];
