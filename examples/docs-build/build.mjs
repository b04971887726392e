import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSandbox } from 'spawn-sandbox';
import { ARTIFACT, commands } from './commands.mjs';

const NOT_RUN = { ok: false, status: null, cause: 'notRun', detail: 'A command before it has failed.' };

/**
 * Builds what somebody's checkout asks for. All commands run in one living sandbox, which of the host sees the checkout, read-only,
 * and the directory for artifacts. `report` is told what happens when it happens. The first command that fails is the last.
 * Resolves to whether there is an artifact.
 */
export async function buildDocs({ checkout, artifacts, deadline, report }) {
  const sandbox = await createSandbox({
    filesystem: {
      readOnly: [{ source: checkout, target: '/checkout' }],
      writable: [{ source: artifacts, target: '/artifacts' }],
    },
    cwd: '/checkout',
    limits: {
      ...{ wallTime: deadline, memory: '1GiB', processes: 64 }, // of all commands together
      ...{ scratch: '256MiB', fileSize: '64MiB', output: '1MiB' },
    },
    collect: false,
  });
  report({ event: 'sandbox', state: 'made', deadline });

  let ok = true;
  try {
    for (const command of commands) {
      const result = ok ? await runCommand(sandbox, command, report) : NOT_RUN;
      report({ event: 'command', name: command.name, state: 'ended', ...result });
      ok = result.ok;
    }
  } finally {
    await sandbox.destroy();
  }
  report({ event: 'sandbox', state: 'ended', ok, ...(await sandbox.ended) });
  if (!ok) return false;
  const artifact = await look(join(artifacts, ARTIFACT));
  report({ event: 'artifact', file: ARTIFACT, ...artifact });
  return artifact.problem === undefined;
}

/** Only now that nobody is left who could change it. It may be a link to any file of the host, and is not followed. */
async function look(path) {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return { problem: 'is not there' };
  return found.isFile() ? { bytes: found.size } : { problem: 'is no plain file' };
}

async function runCommand(sandbox, { name, file, args, input, limits }, report) {
  report({ event: 'command', name, state: 'started' });
  try {
    const step = sandbox.spawn(file, args, { limits, input });
    // No more than limits.output of it comes.
    for await (const line of step.lines('both')) report({ event: 'output', name, line });
    const { ok, status, cause, scope, detail, usage } = await step;
    return { ok, status, cause, scope, detail, usage };
  } catch (error) {
    if (error.code !== 'ERR_SANDBOX_CLOSED') throw error;
    return { ...NOT_RUN, detail: error.message }; // The deadline came between two commands.
  }
}
