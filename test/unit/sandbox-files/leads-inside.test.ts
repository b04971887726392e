import assert from 'node:assert/strict';
import { existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { leadsInside } from '#src/host/leads-inside.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

void suite('a link in a copy', () => {
  void test('may climb as far as the top, at its beginning only', () => {
    const inside: [string, number][] = [
      ['a', 1],
      ['a/b', 1],
      ['./a', 1],
      ['a//b/', 2],
      ['..', 2],
      ['../a', 2],
      ['../../a', 3],
      ['.././../a', 3],
      ['...', 1],
      ['.', 1],
      ['..a', 1],
    ];
    const outside: [string, number][] = [
      ['/a', 1],
      ['/', 3],
      ['..', 1],
      ['../a', 1],
      ['../../a', 2],
      ['a/..', 1],
      ['a/../b', 3],
      ['a/../../b', 3],
      ['./../a', 1],
      ['', 1],
      ['a', 0],
      ['.', 0],
    ];
    for (const [target, depth] of inside)
      assert.equal(leadsInside(Buffer.from(target), depth), true, `${target} at ${depth}`);
    for (const [target, depth] of outside)
      assert.equal(leadsInside(Buffer.from(target), depth), false, `${target} at ${depth}`);
  });

  void test('leads nowhere else together with any others', (context) => {
    const parts = ['..', '.', 'a', 'b', 'c', 'l0', 'l1', 'l2'];
    let state = 11;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    let kept = 0;
    let climbed = 0;
    for (let round = 0; round < 150; round++) {
      const outer = temporaryDirectory(context);
      const top = join(outer, 'top');
      const places = ['', 'a', 'a/b', 'a/b/c', 'c'];
      for (const place of places) mkdirSync(join(top, place), { recursive: true });
      writeFileSync(join(outer, 'a'), 'secret');
      mkdirSync(join(outer, 'b'));
      const links: string[] = [];
      const control: string[] = [];
      for (const place of places) {
        for (const name of ['l0', 'l1', 'l2']) {
          const target = Array.from({ length: 1 + next(4) }, () => parts[next(parts.length)]).join('/');
          const depth = place === '' ? 1 : place.split('/').length + 1;
          const path = join(top, place, name);
          if (!leadsInside(Buffer.from(target), depth)) {
            control.push(`${path}\0${target}`);
            continue;
          }
          symlinkSync(target, path);
          links.push(path);
        }
      }
      for (const path of links) {
        if (!existsSync(path)) continue;
        const real = realpathSync.native(path);
        assert.ok(
          real === realpathSync.native(top) || real.startsWith(`${realpathSync.native(top)}/`),
          `${path} leads to ${real}`,
        );
        kept++;
      }
      for (const one of control) {
        const [path = '', target = ''] = one.split('\0');
        symlinkSync(target, path);
        if (existsSync(path) && !`${realpathSync.native(path)}/`.startsWith(`${realpathSync.native(top)}/`)) climbed++;
      }
    }
    assert.ok(kept > 200, `${kept} links led somewhere`);
    assert.ok(climbed > 20, `control: ${climbed} of those that are refused would have led out`);
  });
});
