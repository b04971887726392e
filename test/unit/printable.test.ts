import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { printable, quoted } from '#src/printable.js';
import { show } from '#src/show.js';

/** Of a terminal's language, of what turns the direction of writing, and of what is not seen. */
const HARMFUL = [
  '\u001b[2J',
  '\u009b2J',
  '\u0007',
  '\u007f',
  '\u0085',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u2028',
  '\ufeff',
  '\r',
  '\n',
];

void suite('text that others have chosen', () => {
  void test('moves no cursor, and turns and ends no line', () => {
    for (const text of HARMFUL) {
      for (const shown of [printable(`a${text}b`), quoted(`a${text}b`), show(`a${text}b`)])
        assert.match(shown, /^['"]?a[\x20-\x7e]+b['"]?$/, JSON.stringify(text));
    }
  });

  void test('is otherwise as it is', () => {
    const text = 'plain "text" \\ – Größe 文 e\u0301 😀';
    assert.equal(printable(text), text, 'the control: nothing to replace');
    assert.equal(printable('a\n\tb\r', '\n\t'), 'a\n\tb\\r');
    assert.equal(quoted('a"b'), '"a\\"b"');
  });
});
