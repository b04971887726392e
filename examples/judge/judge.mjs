// A judge for programs that strangers hand in: compiles each one, runs it on the tests under limits, prints the verdicts.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { closeSpawner } from 'spawn-sandbox';
import { compile } from './compile.mjs';
import { limits, testCases } from './problem.mjs';
import { runSubmission } from './run-submission.mjs';
import { evidenceOf, verdictOf } from './verdict.mjs';

const SUBMISSIONS = join(import.meta.dirname, 'submissions');
process.env.JUDGE_SECRET = 'the answers of next week';

/** The judge's own server, which no submission should reach: it counts who comes. */
let visitors = 0;
const server = createServer((socket) => {
  visitors++;
  socket.destroy();
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const tests = testCases(server.address().port);

async function judge(file, workshop) {
  const name = basename(file, '.c');
  const directory = join(workshop, name);
  await mkdir(directory);
  const { result, program } = await compile(join(SUBMISSIONS, file), directory);
  if (!result.ok) return { name, verdict: 'compile error', millis: 0, evidence: firstError(result) };

  let millis = 0;
  for (const { input, expected } of tests) {
    const run = await runSubmission(program, input, limits);
    millis = Math.max(millis, run.usage.wallTimeMs);
    const verdict = verdictOf(run, expected);
    if (verdict !== 'accepted') return { name, verdict, millis, evidence: evidenceOf(run, expected) };
  }
  return { name, verdict: 'accepted', millis, evidence: `Passed ${tests.length} tests.` };
}

function firstError({ stderr, detail }) {
  return stderr.split('\n').find((line) => line.includes('error:')) ?? detail;
}

const workshop = await mkdtemp(join(tmpdir(), 'judge-'));
try {
  const files = (await readdir(SUBMISSIONS)).filter((file) => file.endsWith('.c'));
  const verdicts = await Promise.all(files.map((file) => judge(file, workshop)));
  console.log(`${'submission'.padEnd(18)}${'verdict'.padEnd(24)}${'longest run'.padStart(11)}   evidence`);
  for (const { name, verdict, millis, evidence } of verdicts) {
    console.log(`${name.padEnd(18)}${verdict.padEnd(24)}${`${millis.toFixed(0)} ms`.padStart(11)}   ${evidence}`);
  }
  console.log(`\nThe judge's own server had ${visitors} visitors.`);
} finally {
  server.close();
  await closeSpawner();
  await rm(workshop, { recursive: true });
}
