/**
 * What of `/proc` tells about the host and not about the sandbox. Each cover costs some microseconds per sandbox, so
 * the list holds what an ordinary process can read, worst first; files that only root can read need none.
 */
export const COVERED: readonly string[] = [
  '/proc/kallsyms', // where the kernel lies in memory
  '/proc/keys', // keyrings, which no namespace divides
  '/proc/key-users',
  '/proc/cmdline', // the boot command line, at times with secrets
  '/proc/bootconfig',
  '/proc/config.gz', // how the kernel was built: which of its bugs are there
  '/proc/modules',
  '/proc/sched_debug', // every process of the host
  '/proc/locks', // inodes and pids of others
  '/proc/fs', // the host's file systems and their options
  '/proc/partitions',
  '/proc/diskstats',
  '/proc/swaps',
  '/proc/mdstat',
  '/proc/iomem',
  '/proc/interrupts', // what others type and do, by its timing
  '/proc/softirqs',
  '/proc/schedstat',
  '/proc/crypto', // which modules and ciphers are there
  '/proc/devices', // drivers, by what they have registered
  '/proc/misc',
  '/proc/ioports',
  '/proc/dma',
  '/proc/consoles',
  '/proc/sys/kernel/random/boot_id', // tells hosts, and their starts, apart
  '/proc/pressure', // the load of the host, by its timing
  '/proc/vmstat',
  '/proc/zoneinfo',
  '/proc/buddyinfo',
  '/proc/bus', // devices
  '/proc/scsi',
  '/proc/irq',
  '/proc/acpi',
  '/proc/asound',
  '/proc/driver',
  '/proc/tty',
];
