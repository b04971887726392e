import { existsSync } from 'node:fs';
import { SandboxError } from '../errors.js';
import { ALL_LAYERS, type Enforced, LAYERS_WITH_WEAKER_FORM } from '../layers.js';
import { withoutOneStep } from '../options/one-step.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import type { StepResult } from '../result.js';
import { spawnSandbox } from '../spawn-sandbox.js';
import type { SelfTest, SelfTestError } from './report.js';

/** Much less than any default, and enough for a shell. */
const TEST_MEMORY = '32MiB';
const TEST_SCRATCH = '1MiB';
const TEST_TIME = '20s';
/** Doubles a string until the limit is hit; needs no other program. */
const HOG = 'text=0123456789abcdef; while :; do text=$text$text; done';

/** Runs `/bin/true` as the options ask, and then a program that wants more memory than it may have. */
export async function selfTest(options: SandboxOptions): Promise<SelfTest> {
  const asked = withoutOneStep(options);
  try {
    const { ok, enforced, detail } = await spawnSandbox(trueProgram(), [], asked);
    const outcome: SelfTest = { ok, enforced, detail };
    if (!ok || !isLimited(enforced) || options.limits?.memory === Infinity) return outcome;
    const memoryLimit = await testMemory(asked);
    return { ...outcome, ok: memoryLimit.cause === 'oom', memoryLimit };
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    return { ok: false, error: plainError(error) };
  }
}

/** What holds when nothing is insisted on, to tell the layers that fail from those that do not. */
export async function observeAnyway(options: SandboxOptions): Promise<Enforced | undefined> {
  // Without a user namespace there is nothing to be told apart: all would be without.
  const allowMissing = ALL_LAYERS.filter((layer) => layer !== 'user');
  const lenient = { ...withoutOneStep(options), allowMissing, allowWeaker: LAYERS_WITH_WEAKER_FORM };
  try {
    const { enforced, ok } = await spawnSandbox(trueProgram(), [], lenient);
    return ok ? enforced : undefined;
  } catch (error) {
    if (error instanceof SandboxError) return undefined;
    throw error;
  }
}

async function testMemory(options: SandboxOptions): Promise<Pick<StepResult, 'cause' | 'detail'>> {
  const limits = { ...options.limits, memory: TEST_MEMORY, scratch: TEST_SCRATCH, wallTime: TEST_TIME } as const;
  const { cause, detail } = await spawnSandbox('/bin/sh', ['-c', HOG], { ...options, limits });
  return { cause, detail };
}

function isLimited({ memory }: Enforced): boolean {
  return memory.state === 'enforced' || memory.state === 'weaker';
}

/** Not every distribution has it there. */
function trueProgram(): string {
  return existsSync('/bin/true') ? '/bin/true' : 'true';
}

export function plainError({ code, message, layer, path, errno, remedy }: SandboxError): SelfTestError {
  return {
    code,
    message,
    ...(layer === undefined ? {} : { layer }),
    ...(path === undefined ? {} : { path }),
    ...(errno === undefined ? {} : { errno }),
    ...(remedy === undefined ? {} : { remedy }),
  };
}
