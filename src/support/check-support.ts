import { SandboxError } from '../errors.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { resolveOptions } from '../options/resolve.js';
import { requireLinux, spawnerPath } from '../spawner/locate.js';
import { askSpawner } from './ask-spawner.js';
import { collectFiles, tryHierarchy } from './collect.js';
import type { Evidence } from './evidence.js';
import { buildReport } from './build-report.js';
import type { SupportReport } from './report.js';
import { observeAnyway, plainError, selfTest } from './self-test.js';

/**
 * Tells what can be enforced here, by trying it: every layer on its own, then a whole sandbox with the given options.
 *
 * What does not work is explained by facts, with the remedy to copy. Nothing here throws for a system that lacks something.
 *
 * @param options as for `spawnSandbox()`; what concerns only one step's streams is passed over
 * @throws SandboxError `ERR_INVALID_OPTION` for options that cannot be asked for
 */
export async function checkSupport(options: SandboxOptions = {}): Promise<SupportReport> {
  const unsupported = whyNotLinux();
  if (unsupported !== undefined) return buildReport(unsupported, undefined);
  resolveOptions(options);
  const files = collectFiles();
  const answers = await askSpawner();
  const incomplete =
    answers.ready === undefined || answers.ready.cgroupControllers === 0 || answers.ready.cgroupReason !== '';
  const tested = await selfTest(options);
  const observed = tested.enforced ?? (await observeAnyway(options));
  const evidence: Evidence = {
    ...files,
    ...answers,
    hierarchies: incomplete ? files.hierarchies.map(tryHierarchy) : files.hierarchies,
    spawnerPath: whereSpawner(),
    selfTest: tested,
    coreScheduling: options.coreScheduling === true,
  };
  return buildReport(evidence, observed);
}

/** Empty when it is missing, which is told as a problem of its own. */
function whereSpawner(): string {
  try {
    return spawnerPath();
  } catch {
    return '';
  }
}

function whyNotLinux(): Evidence | undefined {
  try {
    requireLinux();
    return undefined;
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    return {
      ...collectFiles(),
      spawnerPath: '',
      broken: { code: error.code, message: error.message },
      outside: {},
      inside: {},
      selfTest: { ok: false, error: plainError(error) },
    };
  }
}
