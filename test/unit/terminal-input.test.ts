import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TerminalInput } from '#src/step/terminal-input.js';

const { EAGAIN, EIO, EPIPE } = constants.errno;

/** What was typed, at most so many bytes at once; -1: nobody is there any more. */
class Typed {
  text = '';
  takes = Infinity;
  answer = 0;
  hangUps = 0;

  write(bytes: Uint8Array): number {
    if (this.answer !== 0) return -this.answer;
    if (this.takes === 0) return -EAGAIN;
    const taken = Buffer.from(bytes.subarray(0, this.takes));
    this.text += taken.toString('latin1');
    return taken.length;
  }

  hangUp(): void {
    this.hangUps++;
  }
}

void describe('what is typed into a terminal', () => {
  void test('waits until there is one, and until it takes more', async () => {
    const input = new TerminalInput(Infinity);
    const typed = new Typed();
    input.write('one ');
    input.write('two\n');
    input.end();
    typed.takes = 3;
    input.open(typed);
    await nextTurn();
    assert.equal(typed.text, 'one');
    for (const expected of ['one ', 'one two', 'one two\n', 'one two\n\x04']) {
      typed.takes = typed.text.endsWith(' ') ? 3 : expected.length - typed.text.length;
      input.room();
      await nextTurn();
    }
    assert.equal(typed.text, 'one two\n\x04');
  });

  void test('ends by ^D, and by another one where a line has begun', async () => {
    for (const [text, expected] of [
      ['', '\x04'],
      ['line\n', 'line\n\x04'],
      ['line', 'line\x04\x04'],
    ] as const) {
      const input = new TerminalInput(Infinity);
      const typed = new Typed();
      input.open(typed);
      input.end(text);
      await nextTurn();
      assert.deepEqual([typed.text, typed.hangUps], [expected, 0]);
    }
  });

  void test('hangs up when it is destroyed, also before there is a terminal, but not when the step has ended', async () => {
    for (const [destroy, expected] of [
      [(input: TerminalInput) => input.destroy(), 1],
      [(input: TerminalInput) => input.destroy(new Error('source failed')), 1],
      [
        (input: TerminalInput) => {
          input.release();
        },
        0,
      ],
    ] as const) {
      for (const early of [false, true]) {
        const input = new TerminalInput(Infinity);
        const typed = new Typed();
        if (!early) input.open(typed);
        destroy(input);
        await nextTurn();
        if (early) input.open(typed);
        await nextTurn();
        assert.equal(typed.hangUps, expected);
      }
    }
  });

  for (const errno of [EPIPE, EIO]) {
    void test(`is dropped when nobody reads any more (errno ${errno})`, async () => {
      const failed: Error[] = [];
      const input = new TerminalInput(Infinity, (error) => failed.push(error));
      let refused = 0;
      input.onRefused = () => refused++;
      const typed = new Typed();
      input.open(typed);
      typed.answer = errno;
      input.write('lost');
      input.write('lost, too');
      input.end();
      await nextTurn();
      assert.deepEqual([refused, failed, input.writableFinished], [1, [], true]);
    });
  }

  void test('is bounded', async () => {
    const failed: Error[] = [];
    const input = new TerminalInput(10, (error) => failed.push(error));
    input.open(new Typed());
    input.write('0123456789');
    input.write('x');
    await nextTurn();
    assert.match(String(failed[0]), /longer than limits\.input/);
  });
});
