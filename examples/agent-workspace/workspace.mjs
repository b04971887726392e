import { createSandbox } from 'spawn-sandbox';

/** What belongs to the host: nobody inside reads the first, or changes the second. */
export const RULES = { hide: ['.env', '.env.*'], protect: ['.git/hooks', '.git/config'] };

/** A sandbox in which a repository can be changed at will, and stays as it was outside until changes are committed. */
export async function openWorkspace(repository, rules = RULES) {
  return await createSandbox({
    filesystem: { overlay: [{ source: repository, target: '/project' }], ...rules },
    cwd: '/project',
    limits: { wallTime: '10m', memory: '1GiB', processes: 128, scratch: '256MiB', output: '1MiB' },
  });
}

const TOOLS = new Map(
  Object.entries({
    list: async (sandbox, { path }) => {
      const entries = await sandbox.files.list(path);
      return entries.map(({ name, type }) => `${name} ${type}`).join('\n');
    },
    read: async (sandbox, { path }) => await sandbox.files.read(path, { encoding: 'utf8', limit: '256KiB' }),
    write: async (sandbox, { path, content }) => await sandbox.files.write(path, content, { parents: true }),
    remove: async (sandbox, { path }) => await sandbox.files.remove(path),
    run: async (sandbox, { command }) => await runCommand(sandbox, 'sh', ['-c', command]),
    test: async (sandbox) => await runCommand(sandbox, 'node', ['--test', '--test-reporter=tap']),
  }),
);

/** Of what a model asks for, neither the name nor the arguments need to be what they should be. */
const ANSWERED = ['ERR_FILES', 'ERR_INVALID_OPTION'];

/** Does what a model asks for. What it did not attain is an answer, too: `{ ok, text }`, for the model to read. */
export async function callTool(sandbox, call) {
  const tool = TOOLS.get(call.tool);
  if (tool === undefined) return { ok: false, text: `There are only the tools ${[...TOOLS.keys()].join(', ')}.` };
  try {
    const answer = await tool(sandbox, call);
    return typeof answer === 'object' ? answer : { ok: true, text: answer ?? '' };
  } catch (error) {
    if (!ANSWERED.includes(error.code)) throw error;
    return { ok: false, text: error.message };
  }
}

async function runCommand(sandbox, file, args) {
  const { ok, cause, detail, stdout, stderr } = await sandbox.spawn(file, args, { limits: { wallTime: '1m' } });
  return { ok, text: `${stdout}${stderr}${cause === 'exit' ? '' : detail}` };
}
