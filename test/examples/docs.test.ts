import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import * as api from '#src/index.js';
import { ERROR_CODES } from '#src/errors.js';
import { LAYERS, LAYERS_WITH_WEAKER_FORM } from '#src/layers.js';

const ROOT = join(import.meta.dirname, '../../..');
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'native/README.md',
  'docs/api.md',
  'docs/architecture.md',
  'docs/dependencies.md',
  'docs/errors.md',
  'docs/guide.md',
  'docs/layers.md',
  'docs/syscalls.md',
  'docs/threat-model.md',
];
const skip = existsSync(join(ROOT, 'README.md')) ? false : 'the documents are not part of this copy';
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const headings = (path: string): readonly string[] =>
  [...text(path).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title);

void describe('the documents', { skip }, () => {
  void test('docs/errors.md has a section for each code, in order, that begins with its meaning', () => {
    const sections = [...text('docs/errors.md').matchAll(/^## (\S+)\n\n(.+)$/gm)].map(([, code, meaning]) => [
      code,
      meaning,
    ]);
    const sentence = (meaning: string): string => `${meaning.charAt(0).toUpperCase()}${meaning.slice(1)}.`;
    assert.deepEqual(
      sections,
      Object.entries(ERROR_CODES).map(([code, meaning]) => [code, sentence(meaning)]),
    );
  });

  void test('each error has a cause and a remedy', () => {
    for (const section of text('docs/errors.md').split(/^## /m).slice(1)) {
      assert.match(section, /^- \*\*Cause\*\*: .+/m);
      assert.match(section, /^- \*\*Remedy\*\*: .+/m);
    }
  });

  void test('docs/guide.md names everything that users call', () => {
    const document = text('docs/guide.md');
    for (const name of Object.keys(api)) assert.ok(document.includes(name), name);
  });

  void test('docs/api.md has a section for each export, types included', () => {
    const lists = [...text('src/index.ts').matchAll(/^export (?:type )?\{([^}]+)\}/gm)].map(([, list = '']) => list);
    const names = lists.flatMap((list) => list.split(',')).map((name) => name.replace(/^\s*type /, '').trim());
    const sections = new Set(headings('docs/api.md').map((title) => title.replace(/\(\)$/, '')));
    assert.ok(names.length > Object.keys(api).length);
    assert.deepEqual(
      names.filter((name) => name !== '' && !sections.has(name)),
      [],
    );
  });

  void test('docs/layers.md has a row for each layer, in order, and each weaker form in its row', () => {
    const rows = [...text('docs/layers.md').matchAll(/^\| `(\w+)` \|.*\| (.*) \|$/gm)];
    assert.deepEqual(
      rows.map(([, layer]) => layer),
      [...LAYERS, ...api.OPTIONAL_LAYERS],
    );
    for (const [, layer = '', weaker = ''] of rows) {
      const isWeakened = (LAYERS_WITH_WEAKER_FORM as readonly string[]).includes(layer);
      assert.equal(/^`[a-z ]+`: /.test(weaker), isWeakened, `${layer}: ${weaker}`);
    }
  });

  void test('docs/dependencies.md names every dependency', () => {
    const manifest = JSON.parse(text('package.json')) as Record<string, Record<string, string> | undefined>;
    const document = text('docs/dependencies.md');
    for (const group of ['dependencies', 'devDependencies']) {
      for (const name of Object.keys(manifest[group] ?? {})) assert.ok(document.includes(name), name);
    }
  });

  void test('no link leads nowhere', () => {
    for (const document of DOCUMENTS) {
      for (const [, target = ''] of text(document).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
        if (/^\w+:/.test(target)) continue;
        assert.ok(existsSync(join(ROOT, dirname(document), target)), `${document}: ${target}`);
      }
    }
  });

  void test('each link to a section has a heading at its end, and only one', () => {
    for (const document of DOCUMENTS) {
      for (const [, file = '', anchor = ''] of text(document).matchAll(/\]\(([^)#:]*)#([^)]+)\)/g)) {
        const target = file === '' ? document : join(dirname(document), file);
        const found = headings(target).filter((title) => anchorOf(title) === anchor);
        assert.equal(found.length, 1, `${document}: ${file}#${anchor}`);
      }
    }
  });
});

/** As GitHub makes them: letters, digits, `_` and `-`; a space is a `-`. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-');
}
