// Which attacks have succeeded: seen from outside, whatever they say themselves.
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Begins to observe a build. The function that it returns takes the lines that the build has printed, when that is over. */
export async function observe({ secrets, visits }, { checkout, artifacts }) {
  const before = { ...visits, texts: await texts(checkout), modes: await modes(checkout) };
  return async (lines) => {
    const said = [...lines, ...(await texts(artifacts))].join('\n');
    const reached = Object.entries(secrets).map(([name, secret]) => [name, said.includes(secret)]);
    const succeeded = {
      ...Object.fromEntries(reached),
      server: visits.server > before.server,
      resolver: visits.resolver > before.resolver,
      checkout: String(await texts(checkout)) !== String(before.texts),
      modes: String(await modes(checkout)) !== String(before.modes),
      setid: (await modes(artifacts)).some((mode) => (mode & 0o6000) !== 0),
      outlive: await grows(join(artifacts, 'alive')),
    };
    return Object.entries(succeeded).map(([attack, success]) => {
      const claim = lines.find((line) => line.startsWith(`attack ${attack}: `));
      return { attack, tried: claim !== undefined, succeeded: success, claim: claim?.split(': ').slice(1).join(': ') };
    });
  };
}

async function texts(directory) {
  const files = (await entriesOf(directory)).filter((entry) => entry.isFile());
  return Promise.all(files.map((entry) => readFile(pathOf(entry), 'latin1')));
}

async function modes(directory) {
  return Promise.all((await entriesOf(directory)).map(async (entry) => (await lstat(pathOf(entry))).mode));
}

/** Links are named, and never followed. */
async function entriesOf(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
}

function pathOf({ parentPath, name }) {
  return join(parentPath, name);
}

/** Whether somebody still writes there. */
async function grows(file) {
  const size = async () => (await stat(file).catch(() => ({ size: 0 }))).size;
  const before = await size();
  await delay(500);
  return (await size()) > before;
}
