import type { Architecture } from '../../syscalls/types.js';
import { ARCHITECTURES } from '../../syscalls/architectures.js';
import type { Check, Operation } from '../check.js';
import { CALLS } from './calls.js';
import { DEVICES } from './devices.js';
import { HOST, NEIGHBOURS } from './exchanges.js';
import { EXHAUSTION } from './exhaustion.js';
import { FILES } from './files.js';
import { FOREIGN } from './foreign.js';
import { IDENTITY } from './identity.js';
import { KERNEL } from './kernel.js';
import { LAUNCHER } from './launcher.js';
import { NAMESPACES } from './namespaces.js';
import { PRACTICAL } from './practical.js';
import { SOCKETS } from './sockets.js';
import { STAYING } from './staying.js';
import { TAMPERING } from './tampering.js';

/** Operations whose first argument is a system call, by name in the catalogue and by number in the plan. */
const BY_NUMBER = ['call', 'x32'];

/** Everything that is tried, in the order in which it is told. */
export const CHECKS: readonly Check[] = [
  IDENTITY,
  CALLS,
  FOREIGN,
  NAMESPACES,
  SOCKETS,
  FILES,
  KERNEL,
  DEVICES,
  LAUNCHER,
  HOST,
  NEIGHBOURS,
  EXHAUSTION,
  STAYING,
  TAMPERING,
  PRACTICAL,
].flat();

/** With numbers in place of names; nothing where the architecture has no such call. */
export function numbered(operation: Operation, architecture: Architecture): Operation | undefined {
  const [name, first, ...rest] = operation;
  if ((name === 'i386' || name === 'x32') && architecture !== 'x64') return undefined;
  if (!BY_NUMBER.includes(name)) return operation;
  const { table } = ARCHITECTURES[architecture];
  const number = Object.hasOwn(table, String(first)) ? table[String(first)] : undefined;
  return number === undefined ? undefined : [name, number, ...rest];
}
