import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { LAYERS } from '#src/layers.js';
import { packageRoot } from '#src/package-root.js';

interface Promised {
  readonly number: number;
  readonly keptBy: readonly string[];
  /** File and suite. */
  readonly attackedIn: readonly (readonly [file: string, suite: string])[];
}

const DIRECTORIES = ['test/security', 'test/integration'];
const document = readFileSync(join(packageRoot, 'docs/threat-model.md'), 'utf8');

function promises(): readonly Promised[] {
  const rows = document.split('\n').filter((line) => /^\| \d+ \|/.test(line));
  return rows.map((row) => {
    const [, number, , keptBy = '', , attackedIn = ''] = row.split('|').map((cell) => cell.trim());
    return {
      number: Number(number),
      keptBy: [...keptBy.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ''),
      attackedIn: attackedIn.split(';').flatMap(suitesOf),
    };
  });
}

/** `` `file` › suite, suite ``; a suite's name may have a comma of its own. */
function suitesOf(cell: string): readonly (readonly [string, string])[] {
  const [, file = '', names = ''] = /`([^`]+)` › (.+)/.exec(cell) ?? [];
  const known = suitesIn(file);
  const named = known.filter((suite) => names.includes(suite));
  const rest = named.reduceRight((left, suite) => left.replace(suite, ''), names).replace(/[, ]/g, '');
  assert.equal(rest, '', `${file} has no suite ${JSON.stringify(rest)}: ${names}`);
  return named.map((suite) => [file, suite] as const);
}

/** Longer names first: one may be a part of another. */
function suitesIn(file: string): readonly string[] {
  const directory = DIRECTORIES.find((path) => existsSync(join(packageRoot, path, file)));
  assert.ok(directory !== undefined, `${file} is in ${DIRECTORIES.join(' or ')}`);
  const text = readFileSync(join(packageRoot, directory, file), 'utf8');
  const names = [...text.matchAll(/suite\(\s*'([^']+)'/g)].map(([, name]) => name ?? '');
  return names.toSorted((a, b) => b.length - a.length);
}

void describe('the threat model', () => {
  void test('has numbered promises, each of which something keeps and something attacks', () => {
    const all = promises();
    assert.ok(all.length > 15);
    assert.deepEqual(
      all.map(({ number }) => number),
      all.map((_, index) => index + 1),
    );
    for (const { number, keptBy, attackedIn } of all) {
      assert.ok(keptBy.length > 0 && attackedIn.length > 0, `promise ${number}`);
      for (const name of keptBy) {
        const isThere = (LAYERS as readonly string[]).includes(name) || existsSync(join(packageRoot, name));
        assert.ok(isThere, `promise ${number} is kept by ${name}`);
      }
    }
  });

  void test('has a promise for every attack', () => {
    const attacked = new Set(promises().flatMap(({ attackedIn }) => attackedIn.map((pair) => pair.join(' › '))));
    for (const file of readdirSync(join(packageRoot, 'test/security'))) {
      for (const suite of suitesIn(file)) assert.ok(attacked.has(`${file} › ${suite}`), `${file} › ${suite}`);
    }
  });

  void test('has a promise that every layer keeps', () => {
    const keeping = new Set(promises().flatMap(({ keptBy }) => keptBy));
    assert.deepEqual(
      LAYERS.filter((layer) => !keeping.has(layer)),
      [],
    );
  });
});
