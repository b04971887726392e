import { type AnyLayer, type Enforced, LAYERS, type LayerState, OPTIONAL_LAYERS } from '../layers.js';
import { type Evidence, trial } from './evidence.js';
import type { ProbeName } from './probes.js';
import type { LayerSupport, SupportProblem, SupportReport } from './report.js';

/** What must work for a layer, where it can be tried without a sandbox. */
const TRIALS: Readonly<Partial<Record<AnyLayer, readonly ProbeName[]>>> = {
  user: ['userNamespace', 'uidMap'],
  pid: ['pidNamespace', 'procMount'],
  mount: ['mountNamespace', 'tmpfsMount', 'procMount'],
  net: ['netNamespace'],
  ipc: ['ipcNamespace'],
  uts: ['utsNamespace'],
  cgroup: ['cgroupNamespace'],
  seccomp: ['seccompFilter'],
  landlock: ['landlock'],
  coreScheduling: ['coreScheduling'],
};

const NO_SANDBOX = 'no sandbox can be made here, so it could not be observed';

/** Each layer as a sandbox showed it; where none could be made, as far as its parts could be tried. */
export function layerSupport(
  evidence: Evidence,
  observed: Enforced | undefined,
  problems: readonly SupportProblem[],
): SupportReport['layers'] {
  const asked = [...LAYERS, ...OPTIONAL_LAYERS.filter((name) => evidence[name] === true)];
  const entries = asked.map((layer) => {
    const seen = observed?.[layer];
    const plain = seen === undefined ? tried(evidence, layer) : fromObservation(seen);
    return [layer, plain.state === 'available' ? plain : explained(plain, layer, problems)] as const;
  });
  return Object.fromEntries(entries) as SupportReport['layers'];
}

function fromObservation({ state, by, reason }: LayerState): LayerSupport {
  const how = by === undefined ? {} : { by };
  if (state === 'enforced') return { state: 'available', ...how };
  const why = reason === undefined ? {} : { reason };
  return { state: state === 'weaker' ? 'weaker' : 'missing', ...how, ...why };
}

function tried(evidence: Evidence, layer: AnyLayer): LayerSupport {
  const names = TRIALS[layer] ?? [];
  const outcomes = names.map((name) => ({ name, outcome: outcomeOf(evidence, layer, name) }));
  const refused = outcomes.find(({ outcome }) => outcome?.works === false);
  if (refused !== undefined)
    return { state: 'missing', reason: `${refused.name}: ${refused.outcome?.errno ?? 'refused'}` };
  const works = outcomes.length > 0 && outcomes.every(({ outcome }) => outcome?.works === true);
  return works ? { state: 'available' } : { state: 'missing', reason: NO_SANDBOX };
}

/** These are anybody's right. */
const FOR_ANYBODY: readonly AnyLayer[] = ['user', 'seccomp', 'landlock', 'coreScheduling'];

function outcomeOf(evidence: Evidence, layer: AnyLayer, name: ProbeName): ReturnType<typeof trial> {
  return trial(evidence, name) ?? (FOR_ANYBODY.includes(layer) ? evidence.outside[name] : undefined);
}

/** The first cause that concerns the layer says more than the layer's own state. */
function explained(plain: LayerSupport, layer: AnyLayer, problems: readonly SupportProblem[]): LayerSupport {
  const cause =
    problems.find(({ affects }) => affects.includes(layer)) ?? (plain.reason === NO_SANDBOX ? problems[0] : undefined);
  if (cause === undefined) return plain;
  return { ...plain, reason: cause.reason, evidence: cause.evidence, remedy: cause.remedy };
}
