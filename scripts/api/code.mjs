// Code of the sources, as it is shown.
import prettier from 'prettier';
import ts from 'typescript';

const printer = ts.createPrinter({ removeComments: true });
const LOOK = { parser: 'typescript', singleQuote: true, printWidth: 100 };

/** A type as it is written, on one line. Nothing that is told can be written, so members do not say it each. */
export function typeText(node) {
  return printer
    .printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())
    .replace(/\s+/g, ' ')
    .replace(/(?<=[{;] )readonly /g, '')
    .replace(/; \}/g, ' }');
}

export function typeParameters({ typeParameters: parameters }) {
  return parameters === undefined ? '' : `<${parameters.map((one) => one.getText()).join(', ')}>`;
}

export async function fenced(text) {
  return fence(await prettier.format(text, LOOK));
}

/** A member stands in an interface, else it is no TypeScript. */
export async function fencedMember(text) {
  const formatted = await prettier.format(`interface It {\n${text}\n}`, LOOK);
  const lines = formatted.trim().split('\n').slice(1, -1);
  return fence(lines.map((line) => line.slice(2)).join('\n'));
}

function fence(text) {
  return `\`\`\`ts\n${text.trim()}\n\`\`\``;
}
