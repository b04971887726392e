// Reads the comment over a declaration. A `@default` belongs to the `@param` that it follows, if any.
import ts from 'typescript';

/** `{ text, default, params: Map<name, { text, default }>, returns, throws }`; what is not said is ''. */
export function commentOf(node) {
  const comment = { text: '', default: '', params: new Map(), returns: '', throws: '' };
  const blocks = ts.isVariableDeclaration(node) ? node.parent.parent.jsDoc : node.jsDoc;
  if (blocks?.length > 1)
    throw new Error(`${node.name.getText()} has ${blocks.length} comments: one of them is meant for something else.`);
  for (const block of blocks ?? []) {
    comment.text = plain(block.comment);
    let latest = comment;
    for (const tag of block.tags ?? []) {
      const text = plain(tag.comment);
      switch (tag.tagName.text) {
        case 'param':
          latest = { text, default: '' };
          comment.params.set(tag.name.getText(), latest);
          break;
        case 'default':
          latest.default = text;
          break;
        case 'returns':
        case 'throws':
          comment[tag.tagName.text] = text;
          break;
        default:
          throw new Error(`@${tag.tagName.text} of ${node.name.getText()} is not known here: say it in words.`);
      }
    }
  }
  return comment;
}

function plain(comment) {
  return (ts.getTextOfJSDocComment(comment) ?? '').trim();
}
