import type { SandboxOptions } from '../options/sandbox-options.js';
import type { StepResult } from '../result.js';
import { spawnSandbox } from '../spawn-sandbox.js';
import type { Step } from '../step/step.js';
import { loadAddon } from '../spawner/locate.js';
import { relayed } from './relay.js';

const { stdin, stdout, stderr } = process;
/** Where we have no terminal ourselves. */
const USUAL_SIZE = { columns: 80, rows: 24 };

export type Spawn = (file: string, args: readonly string[], options: SandboxOptions) => Step;

/** Runs a step in a terminal of its own, for which ours stands as far as we have one. */
export async function withTerminal(
  file: string,
  args: readonly string[],
  options: SandboxOptions,
  spawn: Spawn = spawnSandbox,
): Promise<StepResult> {
  const { TERM: term } = process.env;
  const step = spawn(file, args, {
    ...options,
    env: { ...(term === undefined ? {} : { TERM: term }), ...options.env },
    terminal: sizeOfOurs(),
  });
  const resize = (): void => {
    step.resize(sizeOfOurs());
  };
  // Somebody has stopped us, and our terminal was another's meanwhile.
  const goOn = (): void => {
    setRaw(false);
    setRaw(true);
    resize();
  };
  process.on('SIGWINCH', resize).on('SIGCONT', goOn);
  stdin.on('error', () => {
    step.kill('SIGHUP'); // our terminal is gone
  });
  setRaw(true);
  return await relayed(step, () => {
    setRaw(false);
    process.off('SIGWINCH', resize).off('SIGCONT', goOn);
  });
}

/** Each key is the step's, ^C too. At our own end, whichever it is, Node gives the terminal its settings back. */
function setRaw(raw: boolean): void {
  if (!stdin.isTTY) return;
  stdin.setRawMode(raw);
  if (raw) loadAddon().passOutput(stdin.fd);
}

function sizeOfOurs(): { readonly columns: number; readonly rows: number } {
  const ours = [stdout, stderr].find((stream) => stream.isTTY);
  if (ours === undefined) return USUAL_SIZE;
  const [columns, rows] = ours.getWindowSize();
  return columns > 0 && rows > 0 ? { columns, rows } : USUAL_SIZE;
}
