import type { ResolvedOptions } from '../options/resolve.js';
import type { Cause, Limit, StepResult, Usage } from '../result.js';
import { CAUSES, type EndedMessage, type UsageMessage } from '../spawner/messages.js';
import type { Output } from '../step/output.js';
import { signalName } from '../step/signals.js';
import { describeEnding } from './detail.js';
import { enforcedOf } from './enforced.js';

const SCOPES = ['step', 'sandbox', 'host'] as const;
const SIGKILL = 9;

export interface Outputs {
  readonly stdout: Output;
  readonly stderr: Output;
  /** More than `limits.output` was written. The app alone knows. */
  readonly tooMuch: boolean;
}

/** The result that an app sees, from what the spawner reports and the app itself has read. */
export function buildResult(
  ended: EndedMessage,
  outputs: Outputs,
  options: ResolvedOptions,
  cgroupReason: string,
): StepResult {
  const cause = decideCause(ended, outputs.tooMuch);
  const signal = endedByUs(ended, cause) ? SIGKILL : ended.signal;
  const status = signal === 0 ? ended.exitCode : -signal;
  const scope = SCOPES[ended.scope] ?? 'step';
  return {
    ok: cause === 'exit' && status === 0,
    status,
    exitCode: signal === 0 ? ended.exitCode : null,
    signal: signal === 0 ? null : signalName(signal),
    cause,
    scope,
    detail: describeEnding({
      cause,
      scope,
      status,
      evidence: ended.evidence,
      limits: options.limits,
      notStarted: ended.notStarted,
    }),
    limitsHit: limitsHit(ended, cause),
    stdout: outputs.stdout.collected(options.encoding),
    stderr: outputs.stderr.collected(options.encoding),
    truncated: outputs.stdout.truncated || outputs.stderr.truncated || outputs.tooMuch,
    usage: usageOf(ended.usage),
    enforced: enforcedOf(ended.enforced, cgroupReason),
  };
}

/**
 * A step that wrote too much and ended before the app had read it counts as ended by the limit: it was over before the
 * end, and whether the app or the step is faster must not decide what the result says.
 */
function decideCause(ended: EndedMessage, tooMuch: boolean): Cause {
  const cause = CAUSES[ended.cause] ?? 'exit';
  return tooMuch && (cause === 'exit' || cause === 'signal') ? 'outputLimit' : cause;
}

function endedByUs(ended: EndedMessage, cause: Cause): boolean {
  return ended.notStarted || (cause === 'outputLimit' && CAUSES[ended.cause] !== 'outputLimit');
}

function limitsHit({ evidence, signal }: EndedMessage, cause: Cause): readonly Limit[] {
  const hit: Limit[] = [];
  if (cause !== 'oom' && (evidence.oomKills > 0 || evidence.memoryWatched)) hit.push('memory');
  if (evidence.processLimitHits > 0) hit.push('processes');
  if (evidence.scratchFull) hit.push('scratch');
  // The kernel sends it only for RLIMIT_FSIZE; that a step can send it to itself makes it the step's claim.
  if (signalName(signal) === 'SIGXFSZ') hit.push('fileSize');
  return hit;
}

function usageOf(usage: UsageMessage): Usage {
  return {
    queueTimeMs: usage.queueNs / 1e6,
    wallTimeMs: usage.wallNs / 1e6,
    // No process lives without processor time: nothing at all means that nobody could count it.
    ...(usage.userCpuNs + usage.systemCpuNs === 0
      ? {}
      : { userCpuMs: usage.userCpuNs / 1e6, systemCpuMs: usage.systemCpuNs / 1e6 }),
    ...(usage.peakMemoryBytes === 0 ? {} : { peakMemoryBytes: usage.peakMemoryBytes }),
    ...(usage.peakProcesses === 0 ? {} : { peakProcesses: usage.peakProcesses }),
  };
}
