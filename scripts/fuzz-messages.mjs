// Damages frames of typed steps and has them read: `node scripts/fuzz-messages.mjs [N] [SEED]`, 100,000 by default. What comes of them
// is a value that protobufjs reads, too, or a refusal.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const count = Number(process.argv[2] ?? '100000');
const seed = Number(process.argv[3] ?? '1');

const compiler = ['node_modules/typescript/bin/tsc', '-p', 'test'];
if (spawnSync(process.execPath, compiler, { cwd: root, stdio: 'inherit' }).status !== 0) process.exit(1);
const { fuzzMessages } = await import('../build/test/helpers/message-fuzz.js');
const started = Date.now();
const { frames, accepted, refused, slowest, heap, disagreements } = await fuzzMessages({ count, seed });
for (const disagreement of disagreements.slice(0, 20)) console.log(disagreement);
console.log(`${count} damaged messages, seed ${seed}, ${Math.round((Date.now() - started) / 1000)} s`);
console.log(`${frames} frames: ${accepted} accepted; ${refused} frames and streams refused`);
console.log(
  `slowest ${Math.round(slowest)} ms, heap ${Math.round(heap / 1024)} KiB more, ${disagreements.length} disagreements`,
);
if (disagreements.length > 0 || heap > 8 * 2 ** 20) process.exitCode = 1;
