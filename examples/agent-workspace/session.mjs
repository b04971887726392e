import { callTool, openWorkspace } from './workspace.mjs';

/**
 * Lets an agent work on a repository, shows what it did, commits what was chosen of that and throws the rest away. Each of `commits` is a list
 * of paths. `report` is told what happens when it happens. Resolves when the sandbox is gone.
 */
export async function runSession({ repository, calls, commits, rules, report }) {
  const sandbox = await openWorkspace(repository, rules);
  try {
    for (const call of calls) report({ event: 'call', call, ...(await callTool(sandbox, call)) });
    report({ event: 'changes', changes: await sandbox.changes(), diff: await sandbox.diff() });
    for (const paths of commits) report({ event: 'commit', paths, ...(await commit(sandbox, paths)) });
    await sandbox.discard();
    report({ event: 'discarded', changes: await sandbox.changes(), ...(await callTool(sandbox, { tool: 'test' })) });
  } finally {
    await sandbox.destroy();
  }
}

/** All of the paths, or none where one of them cannot be kept or was changed meanwhile. */
async function commit(sandbox, paths) {
  try {
    return { kept: await sandbox.commit(paths) };
  } catch (error) {
    if (error.code !== 'ERR_CHANGES' && error.code !== 'ERR_CHANGE_CONFLICT') throw error;
    return { refused: error.message };
  }
}
