// Makes docs/api.md of the types behind src/index.ts and the comments over them. With --check it only says whether it is what they give.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Declarations } from './api/declarations.mjs';
import { OUTLINE } from './api/outline.mjs';
import { Renderer } from './api/render.mjs';
import { anchorOf } from './api/text.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = 'src/index.ts';
const TARGET = 'docs/api.md';
const PREFACE = `# API

All that the package exports, with its types, units, defaults and errors. How it is used is in the [guide](guide.md).

Made by \`npm run docs\` of the types and the comments over them in \`src/\`: change those, and not this file. All properties are read-only. A \`?\` marks what can be left out of options, and what can be missing in what the library tells. What extends something has all of that, too.`;

const declarations = new Declarations(root, ENTRY);
const names = OUTLINE.flatMap((part) => part.names);
refuseDifferences();
const document = await generate();
if (process.argv.includes('--check')) check();
else writeFileSync(join(root, TARGET), document);

function refuseDifferences() {
  const unplaced = declarations.exportedNames.filter((name) => !names.includes(name));
  refuse(unplaced, `exported by ${ENTRY} and in no section of scripts/api/outline.mjs`);
  const unclear = names.filter((name) => declarations.declarationsOf(name).length !== 1);
  refuse(unclear, 'in scripts/api/outline.mjs, and there is not exactly one declaration of that name');
}

async function generate() {
  const renderer = new Renderer(declarations, names);
  const parts = [PREFACE, contents()];
  for (const { title, text, names: own } of OUTLINE) {
    parts.push(`## ${title}`, text);
    for (const name of own) parts.push(...(await renderer.section(name, declarations.declarationsOf(name)[0])));
  }
  refuse(renderer.silent, 'without a comment, from which docs/api.md is made');
  refuse(renderer.unknown, 'neither exported nor in scripts/api/outline.mjs, and an exported type is made of it');
  const text = `${parts.filter((part) => part !== '').join('\n\n')}\n`;
  refuseEqualAnchors(text);
  return text;
}

function contents() {
  return OUTLINE.map(({ title, names: own }) => {
    const links = own.map((name) => `[${name}](#${anchorOf(name)})`);
    return `- [${title}](#${anchorOf(title)}): ${links.join(', ')}`;
  }).join('\n');
}

/** A second heading with the same anchor would get another, and links to it would lead to the first. */
function refuseEqualAnchors(text) {
  const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading));
  refuse(
    anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index),
    'the anchor of two headings',
  );
}

function refuse(things, what) {
  if (things.length === 0) return;
  console.error(`Cannot make ${TARGET}:\n${things.map((thing) => `  ${thing}: ${what}`).join('\n')}`);
  process.exit(1);
}

function check() {
  const path = join(root, TARGET);
  const present = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (present === document) return;
  const lines = present.split('\n');
  const line = document.split('\n').findIndex((one, index) => one !== lines[index]);
  console.error(`${TARGET}:${line + 1} is not what the types and comments in src/ give. Run \`npm run docs\`.`);
  process.exitCode = 1;
}
