/** By number, as in linux/capability.h. */
const CAPABILITIES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
] as const;

/** What the spawner must have to act with host privileges: the list of native/spawner/outer.c. */
export const NEEDED_CAPABILITIES = [
  'CAP_SYS_ADMIN',
  'CAP_SETUID',
  'CAP_SETGID',
  'CAP_CHOWN',
  'CAP_KILL',
  'CAP_NET_ADMIN',
  'CAP_DAC_OVERRIDE',
  'CAP_SYS_PTRACE',
  'CAP_SETPCAP',
] as const;

/** The names of a mask as `/proc/PID/status` has it, as far as anything here cares for them. */
export function capabilityNames(hexadecimal: string): readonly string[] {
  const mask = BigInt(`0x${hexadecimal === '' ? '0' : hexadecimal}`);
  return CAPABILITIES.filter((_, number) => (mask >> BigInt(number)) & 1n).map((name) => `CAP_${name}`);
}
