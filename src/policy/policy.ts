import type { ResolvedMount, ResolvedRule } from '../options/filesystem.js';
import type { ResolvedOptions } from '../options/resolve.js';
import type { DefineMessage, MountMessage, RuleMessage } from '../spawner/messages.js';
import { compileSyscalls } from '../syscalls/index.js';
import { COVERED } from './covers.js';
import { etcTree, HOSTNAME } from './etc.js';
import type { Command } from './command.js';
import { layerMasks } from './layers.js';
import { bindReadOnly, bindWritable, overlay } from './mounts.js';
import { doesWithoutNamespaces, portablePolicy } from './portable.js';
import { reuse } from './reuse.js';
import { rootTree } from './root-tree.js';
import { kernelTree, scratchTree, terminalTree } from './runtime-tree.js';
import { emptyDirectories, systemTree } from './system-tree.js';

/** Everything that decides how a sandbox is built, without the number that one connection gives it. */
export type Policy = Omit<DefineMessage, 'policyId'>;

/** One inode for every 4 KiB of scratch: many small files, and no way to fill the kernel's memory with empty ones. */
const BYTES_PER_INODE = 4096;
/** On a disk a table of all inodes is a part of what is made; ext4 itself has one for so many bytes. */
const BYTES_PER_INODE_ON_DISK = 16384;

/** @param terminals whether there can be any, without one being asked for yet */
export function buildPolicy(
  options: ResolvedOptions,
  command: Command,
  terminals: boolean = options.terminal !== undefined,
): Policy {
  const policy = wholePolicy(options, command, terminals);
  return doesWithoutNamespaces(options) ? { ...policy, portable: portablePolicy(options, command, policy) } : policy;
}

function wholePolicy(options: ResolvedOptions, command: Command, terminals: boolean): Policy {
  const filters = compileSyscalls(options.syscalls);
  const scratch = finite(options.limits.scratch);
  return {
    mounts: [...mountTree(options, command), ...(terminals ? terminalTree() : [])],
    uid: options.user.uid,
    gid: options.user.gid,
    hostname: Buffer.from(HOSTNAME),
    baseFilter: filters.base,
    stepFilter: filters.step,
    stepFilterNotifies: filters.notifies,
    scratchBytes: scratch,
    scratchInodes: inodesFor(scratch, options.scratchOnDisk),
    scratchOnDisk: options.scratchOnDisk,
    hostNetwork: options.network === 'host',
    ...layerMasks(options),
    ...reuse(options),
    terminal: terminals,
    coreScheduling: options.coreScheduling,
    cover: COVERED.map((path) => Buffer.from(path)),
    rules: options.rules.map(ruleOf),
  };
}

/** In this order on an empty root: what comes later may lie inside what came before. The app's own mounts come last, so they win. */
function mountTree(options: ResolvedOptions, command: Command): readonly MountMessage[] {
  const { root, user, network } = options;
  return [
    ...(root === undefined
      ? [...systemTree(), ...emptyDirectories(), ...etcTree(user, network)]
      : rootTree(root, user, network)),
    ...kernelTree(),
    ...scratchTree(
      options.user,
      options.mounts.map(({ target }) => target),
    ),
    ...command.mounts.map(({ source, target }) => bindReadOnly(source, target)),
    ...options.mounts.map(mountOf),
  ];
}

function mountOf({ source, target, access, optional }: ResolvedMount): MountMessage {
  if (access === 'overlay') return overlay(source, target, { optional });
  return access === 'writable'
    ? bindWritable(source, target, { optional })
    : bindReadOnly(source, target, { optional, asOwner: true });
}

function ruleOf({ pattern, literal, hide, mustExist }: ResolvedRule): RuleMessage {
  return {
    pattern: Buffer.from(pattern),
    literal: Buffer.byteLength(pattern.slice(0, literal)),
    hide,
    mustExist,
  };
}

function inodesFor(scratch: number, onDisk: boolean): number {
  if (onDisk) return Math.max(1024, Math.ceil(scratch / BYTES_PER_INODE_ON_DISK));
  return scratch === 0 ? 0 : Math.max(64, Math.ceil(scratch / BYTES_PER_INODE));
}

/** 0 means "no limit" on the wire. */
export function finite(limit: number): number {
  return limit === Infinity ? 0 : limit;
}
