import { ALL_LAYERS, type Enforced, isOptional, type LayerState } from '../layers.js';
import { BY, type By } from '../spawner/messages.js';

const STATES = ['absent', 'enforced', 'weaker', 'waived'] as const;

/** Why a layer is weaker or missing, where the mechanism's name does not say it. */
const REASONS: Partial<Record<By, string>> = {
  watched: 'no cgroup can be written, so the spawner looks at the use again and again; it may be exceeded for a moment',
  rlimit: 'no cgroup can be written, so the kernel counts per process or per user namespace',
  'shared id': 'the app has no other identity to give, so the step has its own on the host',
  'kept groups': 'an app without root cannot drop its supplementary groups',
  'kernel lacks it': 'the kernel does not have it or refuses it',
  'no writable cgroup': 'no cgroup can be written',
  'host network': "network: 'host' was asked for",
  'no namespaces': 'namespaces cannot be had here, and the app does without them',
  'needs namespaces':
    'without namespaces there are no living sandboxes, zygotes, terminals, overlays, other roots, rules for paths, scratch space on a disk or mounts at other places than their own, and for an app with root no directories to write in',
  'kept bounding set': 'an app without root cannot give it up; no process of the step can gain privileges by it',
};

export function byReason(by: By, cgroupReason: string): string | undefined {
  const reason = REASONS[by];
  const concernsCgroup = by === 'watched' || by === 'rlimit' || by === 'no writable cgroup';
  return concernsCgroup && reason !== undefined && cgroupReason !== '' ? `${reason} (${cgroupReason})` : reason;
}

/** Equal observations share one frozen object: nearly all steps of an app are confined alike. */
const known = new Map<string, Enforced>();
const MOST_KNOWN = 64;

/** @param observed two bytes for each layer, as `Ended` has them; none: the step was not started */
export function enforcedOf(observed: Uint8Array, cgroupReason: string): Enforced {
  const key = Buffer.from(observed.buffer, observed.byteOffset, observed.length).toString('latin1') + cgroupReason;
  const found = known.get(key);
  if (found !== undefined) return found;
  const layers = ALL_LAYERS.map((layer, index) => ({ layer, state: observed[2 * index], by: observed[2 * index + 1] }));
  const entries = layers
    .filter(({ layer, by }) => !isOptional(layer) || (by !== undefined && BY[by] !== 'not asked for'))
    .map(({ layer, state, by }) => [layer, stateOf(state, by, cgroupReason)]);
  const enforced = Object.freeze(Object.fromEntries(entries)) as Enforced;
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, enforced);
  return enforced;
}

function stateOf(observed: number | undefined, mechanism: number | undefined, cgroupReason: string): LayerState {
  if (observed === undefined || mechanism === undefined) return NEVER_MADE;
  const state = STATES[observed] ?? 'absent';
  const by = BY[mechanism] ?? 'unspecified';
  const reason = state === 'enforced' ? undefined : byReason(by, cgroupReason);
  return Object.freeze({
    state,
    ...(by === 'unspecified' || state === 'waived' || state === 'absent' ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
  });
}

const NEVER_MADE: LayerState = Object.freeze({ state: 'absent', reason: 'the step was not started' });
