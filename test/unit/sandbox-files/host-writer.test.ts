import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { noCounts } from '#src/sandbox/files/copy-options.js';
import { FRAME, FrameReader, Malformed } from '#src/sandbox/files/frames.js';
import { HostWriter } from '#src/sandbox/files/host-writer.js';
import { entryOf } from '#src/sandbox/files/look.js';
import { SandboxError } from 'spawn-sandbox';
import { data, directory, end, entry, file, KIND, link, root } from '../../helpers/file-frames.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const DEED = { verb: 'copy', path: '/x' };
const BOUNDS = { limit: 10_000, entries: 50, depth: 8, overwrite: false, timeout: 1000, signal: undefined } as const;
/** As what makes names, kinds and depths wrong most often. */
const TELLING = Buffer.from('../\0\x01\x02\x03\x04a');

/** As copyOut() does it, of a stream that has come. */
async function write(bytes: Buffer, hostPath: string): Promise<void> {
  const writer = await HostWriter.open(hostPath, DEED, { ...BOUNDS, links: 'inside' }, noCounts());
  try {
    for (const { kind, payload } of new FrameReader().push(bytes)) {
      if (kind === FRAME.end) {
        if (writer.hasRoot) await writer.finish();
        return;
      }
      if (kind === FRAME.data) await writer.data(payload);
      else await writer.entry(entryOf({ kind, payload }, DEED));
    }
  } finally {
    await writer.close();
  }
}

void suite('what is made on the host', () => {
  void test('of 2,000 streams that were changed at random lies at its place, or there is nothing', async (context) => {
    const outer = temporaryDirectory(context, { secret: 'secret', 'host/there': '' });
    const host = join(outer, 'host');
    const stream = Buffer.concat([
      root,
      directory('d'),
      file('f', 2),
      data('some'),
      link('l', '../g', 2),
      directory('..x', 2),
      file('y', 3),
      file('g'),
      data('thing'),
      entry({ kind: KIND.fifo, name: 'p' }),
      link('m', 'd/l'),
      end,
    ]);
    let state = 5;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    let made = 0;
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(stream);
      for (let change = next(4); change > 0; change--) {
        bytes[next(bytes.length)] = next(2) === 0 ? next(256) : (TELLING[next(TELLING.length)] as number);
      }
      await write(bytes, join(host, 'x')).catch((error: unknown) => {
        const known = error instanceof SandboxError || error instanceof Malformed;
        assert.ok(known || typeof (error as NodeJS.ErrnoException).errno === 'number', String(error));
      });
      const found = readdirSync(host);
      assert.deepEqual(readdirSync(outer).sort(), ['host', 'secret']);
      if (!found.includes('x')) {
        assert.deepEqual(found, ['there']);
        continue;
      }
      made++;
      assert.deepEqual(found, ['there', 'x']);
      checkTree(Buffer.from(join(host, 'x')), Buffer.from(realpathSync.native(join(host, 'x'))));
      rmSync(join(host, 'x'), { recursive: true });
    }
    assert.ok(made > 200 && made < 1800, `${made} were made`);
    assert.equal(readFileSync(join(outer, 'secret'), 'utf8'), 'secret');
  });

  void test('is at its place at once, and takes that of nothing', async (context) => {
    const host = temporaryDirectory(context);
    const stream = Buffer.concat([root, file('f'), data('x'), end]);
    mkdirSync(join(host, 'x'));
    await assert.rejects(write(stream, join(host, 'x')), { code: 'ERR_FILES', errno: 17 });
    rmSync(join(host, 'x'), { recursive: true });
    await write(stream, join(host, 'x'));
    assert.deepEqual(readdirSync(host), ['x']);
    await assert.rejects(write(stream, join(host, 'no/x')), { code: 'ENOENT' });
  });
});

/** Nothing in it is set-id, or a link that leads out of it. Paths are bytes: names need be no text. */
function checkTree(path: Buffer, top: Buffer): void {
  const status = lstatSync(path);
  assert.equal(status.mode & 0o7000, 0);
  if (status.isDirectory()) {
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      checkTree(Buffer.concat([path, Buffer.from('/'), name]), top);
    }
  } else if (status.isSymbolicLink()) {
    let real: Buffer;
    try {
      real = realpathSync.native(path, { encoding: 'buffer' });
    } catch {
      return; // it leads nowhere
    }
    assert.ok(
      `${real.toString('latin1')}/`.startsWith(`${top.toString('latin1')}/`),
      `${String(path)} leads to ${String(real)}`,
    );
  } else assert.ok(status.isFile());
}
