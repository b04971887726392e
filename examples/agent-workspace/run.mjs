// An agent repairs a repository, and does harm: `node examples/agent-workspace/run.mjs`
import { closeSpawner } from 'spawn-sandbox';
import { harm } from './agent/harm.mjs';
import { FIX, work } from './agent/work.mjs';
import { judge } from './judge.mjs';
import { observe } from './observe.mjs';
import { makeRepository } from './repository.mjs';
import { runSession } from './session.mjs';
import { show } from './show.mjs';

const host = await makeRepository();
try {
  const findOut = await observe(host);
  const events = [];
  console.log('The agent:');
  await runSession({
    repository: host.repository,
    calls: [...work, ...harm(host.outside)],
    commits: [['link', ...FIX], FIX],
    report: (event) => {
      events.push(event);
      show(event);
    },
  });
  const findings = judge(events, await findOut(events.flatMap(({ text = '', diff = '' }) => [text, diff])), FIX);
  for (const { holds, what } of findings) console.log(`${holds ? 'yes' : 'NO '}  ${what}`);
  process.exitCode = findings.every(({ holds }) => holds) ? 0 : 1;
} finally {
  await closeSpawner();
  await host.remove();
}
