// What a step printed: its first lines, however many there are.

const MOST_LINES = 200;

/** `ended`: when its output ended, which is when the step did. */
export async function collectLogs(entries, clock) {
  const lines = [];
  let left = 0;
  try {
    for await (const { stream, text } of entries) {
      if (lines.length < MOST_LINES) lines.push({ stream, text });
      else left++;
    }
  } catch {
    // The call itself rejects with the same error.
  }
  return { logs: { lines, left }, ended: clock() };
}

export function logsOfText(stream, text) {
  const all = text.split('\n').filter((line) => line !== '');
  const lines = all.slice(0, MOST_LINES).map((line) => ({ stream, text: line }));
  return { lines, left: all.length - lines.length };
}
