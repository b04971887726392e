// An app of its own that commits what a command has made of a directory, for tests that end it in its middle:
// `node app-that-commits.js STATE-DIRECTORY ORIGINAL MARKER SCRIPT`. It says "committing", and "committed" when it is done.
import { configureSpawner, createSandbox } from 'spawn-sandbox';
import { ANY_FORM } from './weaker.js';

const [stateDirectory = '', original = '', marker = '', script = ''] = process.argv.slice(2);
configureSpawner({ stateDirectory });
const sandbox = await createSandbox({
  ...ANY_FORM,
  filesystem: { overlay: [{ source: original, target: '/project' }] },
  cwd: '/project',
});
const { ok, detail, stderr } = await sandbox.spawn('sh', ['-ec', script, marker]);
if (!ok) throw new Error(`${detail} ${String(stderr)}`);
process.stdout.write('committing\n');
await sandbox.commit();
process.stdout.write('committed\n');
await sandbox.destroy();
