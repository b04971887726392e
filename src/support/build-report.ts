import type { Enforced } from '../layers.js';
import type { Evidence } from './evidence.js';
import { layerSupport } from './layer-support.js';
import { listProbes } from './probes.js';
import { diagnose } from './problems/index.js';
import type { SupportReport } from './report.js';

/** `observed`: what a sandbox showed that was made without insisting on anything; nothing when none could be made. */
export function buildReport(evidence: Evidence, observed: Enforced | undefined): SupportReport {
  const problems = diagnose(evidence);
  return {
    supported: evidence.selfTest.ok,
    privileged: evidence.ready?.privileged ?? false,
    platform: evidence.platform,
    kernel: evidence.kernel,
    node: process.version,
    environment: evidence.environment,
    layers: layerSupport(evidence, observed, problems),
    probes: [...listProbes(evidence.outside, 'outside'), ...listProbes(evidence.inside, 'inside')],
    problems,
    selfTest: evidence.selfTest,
  };
}
