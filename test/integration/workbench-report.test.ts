import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext } from 'node:test';
import { inflateSync } from 'node:zlib';
import { examplePath, run } from '../examples/run-example.js';
import { showPage } from '../helpers/chromium.js';
import { type Cleaning, temporaryDirectory } from '../helpers/temporary-directory.js';
import { testWith } from '../helpers/tools.js';
import { needsPandas } from '../helpers/warm.js';

/** A browser that obeyed it would say so on its console. */
const IMAGE = `<img src=x onerror="console.error('owned by an image')">`;
const SCRIPT = `<script>console.error('owned by a script')</script>`;

const HOSTILE = `
title: "</title>${SCRIPT.replaceAll('"', '\\"')}"
about: "<!-- <b>bold</b>"
steps:
  values:
    tables: []
    python: |
      import pandas as pd
      def run():
          print("""${IMAGE}\\x1b[31m""")
          return pd.DataFrame({"""${IMAGE}""": ["""${SCRIPT}""", None, "\\u202eback"], "number": [1.5, 20.25, None]})
  exception:
    tables: []
    python: |
      def run():
          raise type("""${SCRIPT}""", (Exception,), {})("""</pre>${IMAGE}""")
`;

/** Pages are shown in some seconds, unless others keep the machine busy. */
function withChromium(title: string, body: (context: TestContext) => Promise<void>): void {
  testWith(['chromium'], title, body, { timeout: 300_000 });
}

async function report(context: Cleaning, workflow: string, directory = temporaryDirectory(context)): Promise<string> {
  const page = join(directory, 'report.html');
  const args = ['workbench/report.mjs', workflow, '--out', page, '--cache', join(directory, 'cache')];
  const { status, stderr, stdout } = await run(process.execPath, [examplePath(args[0] ?? ''), ...args.slice(1)]);
  assert.deepEqual([stderr, status, stdout], ['', 0, `${page}\n`]);
  return page;
}

void suite('the report of the workbench', needsPandas, () => {
  withChromium('shows each step, in any width, light and dark, and the console stays empty', async (context) => {
    const directory = temporaryDirectory(context);
    const page = await report(context, 'flights', directory);
    const light = await showPage(page, { width: 1280, dark: false });
    assert.deepEqual(light.console, []);
    assert.match(light.dom, /<h1>Where seven million flights went<\/h1>/);
    const count = (part: RegExp): number => [...light.dom.matchAll(part)].length;
    assert.deepEqual([count(/class="node done"/g), count(/<table/g), count(/class="row done"/g)], [12, 12, 12]);
    assert.match(light.dom, /<td class="number"><span class="value">411,928<\/span>/);
    assert.match(light.dom, /<span class="null">null<\/span>/);
    assert.ok(brightness(light.screenshot) > 200, 'light');

    const again = await report(context, 'flights', directory);
    const dark = await showPage(again, { width: 600, dark: true });
    assert.deepEqual(dark.console, []);
    assert.equal([...dark.dom.matchAll(/class="node cached"/g)].length, 12);
    assert.ok(brightness(dark.screenshot) < 60, 'dark');
    writeFileSync(join(directory, 'dark.png'), dark.screenshot); // to be looked at in a debugger
  });

  withChromium('shows what went wrong', async (context) => {
    const { dom, console } = await showPage(await report(context, 'broken'), { width: 1280, dark: true });
    assert.deepEqual(console, []);
    assert.match(dom, /4 steps\s+failed, so 2 were skipped/);
    for (const words of ['threw KeyError', 'out of memory', 'out of time', 'invalid output']) {
      assert.match(dom, new RegExp(`<b>${words}</b>`));
    }
    assert.match(dom, /<pre class="traceback">Traceback[^]*line 3, in monthly/);
    assert.match(dom, /<span class="line named">[^\n]*percipitation/);
    assert.equal([...dom.matchAll(/<section class="step skipped"/g)].length, 2);
  });

  withChromium('shows as text what steps would have it obey', async (context) => {
    const directory = temporaryDirectory(context);
    const workflow = join(directory, 'hostile.yaml');
    writeFileSync(workflow, HOSTILE);
    const page = await report(context, workflow, directory);
    const { dom, console } = await showPage(page, { width: 1280, dark: false });
    assert.deepEqual(console, []);
    for (const active of [/<img/i, /<script/i, /<b>bold/]) assert.doesNotMatch(dom, active);
    const image = text(IMAGE);
    const script = text(SCRIPT);
    const shown = {
      'the title': `<h1>${text('</title>')}${script}</h1>`,
      'a column': `<th scope="col" class="text"><span class="value">${image}</span>`,
      'a cell': `<span class="value">${script}</span>`,
      'text that would run backwards': '<span class="value">\\u{202e}back</span>',
      'a log': `<span class="stdout">${image}\\u{1b}[31m</span>`,
      'the type of an exception': `<b>${script}</b>`,
      'its traceback': `: ${text('</pre>')}${image}</pre>`,
    };
    for (const [what, expected] of Object.entries(shown)) assert.ok(dom.includes(expected), `${what}: ${expected}`);

    // Without escaping the browser obeys, unless the page's policy is heeded.
    const source = readFileSync(page, 'utf8');
    const raw = source.replace('</main>', `${IMAGE}${SCRIPT}</main>`);
    writeFileSync(page, raw);
    const refused = await showPage(page, { width: 1280, dark: false });
    assert.ok(refused.console.length > 0);
    assert.ok(
      refused.console.every((line) => /Content Security Policy/.test(line)),
      refused.console.join('\n'),
    );
    writeFileSync(page, raw.replace(/<meta\s+http-equiv[^>]*>/, ''));
    const obeyed = (await showPage(page, { width: 1280, dark: false })).console.join('\n');
    assert.match(obeyed, /owned by an image/);
    assert.match(obeyed, /owned by a script/);
  });
});

/** As Chromium writes it in a document. */
function text(value: string): string {
  return value.replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Of the pixel in the corner: what a PNG says first, whatever its filter. */
function brightness(png: Buffer): number {
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + length));
  }
  const [, red = 0, green = 0, blue = 0] = inflateSync(Buffer.concat(data));
  return (red + green + blue) / 3;
}
