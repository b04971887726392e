import type { Layer } from '../../layers.js';
import { type Evidence, fact, failed, trial } from '../evidence.js';
import type { ProbeName } from '../probes.js';
import type { SupportProblem } from '../report.js';
import { problem } from './problem.js';

/** What must work for a layer. What other diagnoses explain does not come here. */
const NEEDED: readonly { readonly probe: ProbeName; readonly layer: Layer }[] = [
  { probe: 'userNamespace', layer: 'user' },
  { probe: 'uidMap', layer: 'user' },
  { probe: 'pidNamespace', layer: 'pid' },
  { probe: 'mountNamespace', layer: 'mount' },
  { probe: 'tmpfsMount', layer: 'mount' },
  { probe: 'procMount', layer: 'mount' },
  { probe: 'netNamespace', layer: 'net' },
  { probe: 'ipcNamespace', layer: 'ipc' },
  { probe: 'utsNamespace', layer: 'uts' },
  { probe: 'cgroupNamespace', layer: 'cgroup' },
  { probe: 'pidfd', layer: 'pid' },
];

/** For what was refused and not explained: the facts, without a guess. */
export function leftovers(evidence: Evidence, found: readonly SupportProblem[]): readonly SupportProblem[] {
  const explained = new Set(found.flatMap(({ severity, affects }) => (severity === 'error' ? affects : [])));
  const refused = NEEDED.filter(({ probe, layer }) => failed(trial(evidence, probe)) && !explained.has(layer));
  const told = refused.length === 0 ? [] : [layerRefused(evidence, refused)];
  const failure = sandboxRefused(evidence, [...found, ...told]);
  return failure === undefined ? told : [...told, failure];
}

function layerRefused(evidence: Evidence, refused: typeof NEEDED): SupportProblem {
  return problem('layer-refused', {
    severity: 'error',
    reason: `The kernel refuses ${refused.map(({ probe }) => probe).join(', ')}, and none of the known causes is to be seen.`,
    evidence: [
      ...refused.map(({ probe }) => fact(probe, trial(evidence, probe))),
      evidence.app.apparmor === '' ? undefined : `label of the app: ${evidence.app.apparmor}`,
      ...evidence.environment.evidence,
    ],
    remedy: `# What refused it, as the kernel logged it:
sudo journalctl -k --since -5min | grep -iE 'denied|avc|audit|apparmor'
# Please report it with the output of: spawn-sandbox doctor --json`,
    affects: [...new Set(refused.map(({ layer }) => layer))],
  });
}

/** Each part works, or is explained, and the whole still does not. */
function sandboxRefused({ selfTest, failure }: Evidence, found: readonly SupportProblem[]): SupportProblem | undefined {
  const { error, memoryLimit, enforced, ok, detail = '' } = selfTest;
  if (memoryLimit !== undefined && memoryLimit.cause !== 'oom') {
    return problem('memory-limit-unproven', {
      severity: 'error',
      reason: `A program that asked for more memory than its limit was not ended for that: ${memoryLimit.detail}`,
      evidence: [`cause: ${memoryLimit.cause}`, `memory: ${enforced?.memory.by ?? 'unknown'}`],
      remedy: 'Please report it with the output of: spawn-sandbox doctor --json',
      affects: ['memory'],
    });
  }
  const explained = found.some(
    ({ severity, affects }) =>
      severity !== 'note' && (error?.layer === undefined ? severity === 'error' : affects.includes(error.layer)),
  );
  if (ok || explained) return undefined;
  return problem('sandbox-refused', {
    severity: 'error',
    reason: error?.message ?? `A program that does nothing did not end well: ${detail}`,
    evidence: [error === undefined ? detail : error.code, failure === undefined ? undefined : `stage ${failure.stage}`],
    remedy: error?.remedy ?? 'Please report it with the output of: spawn-sandbox doctor --json',
    affects: error?.layer === undefined ? [] : [error.layer],
  });
}
