/** A report is made of goals, and of tables with title, note, heads and rows. */

export function printTable({ title, note, heads, rows }) {
  console.log(`\n${title}\n  ${note}`);
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => String(row[column]).length)));
  for (const row of [heads, ...rows]) {
    const cells = row.map((cell, column) =>
      column === 0 ? String(cell).padEnd(widths[column]) : String(cell).padStart(widths[column]),
    );
    console.log(`  ${cells.join('   ').trimEnd()}`);
  }
}

const GOAL_HEADS = ['', 'measured', 'target', 'beyond it', 'reached'];

export function goalTable(goals) {
  return {
    title: 'Targets',
    note: 'Ratios of two things measured alternately in one run.',
    heads: GOAL_HEADS,
    rows: goals.map((goal) => [
      goal.what,
      goal.value,
      bound(goal, targetOf(goal)),
      bound(goal, goal.stretch),
      reached(goal),
    ]),
  };
}

function targetOf({ atMost, atLeast }) {
  return atMost ?? atLeast;
}

function bound({ atMost, value }, limit) {
  if (limit === undefined) return '';
  const shown = value.endsWith('%')
    ? `${Math.round(limit * 100)} %`
    : value.endsWith('ms')
      ? `${limit} ms`
      : `${limit}x`;
  return `${atMost === undefined ? '≥' : '≤'} ${shown}`;
}

function reached(goal) {
  if (!Number.isFinite(goal.measured)) return 'not measured';
  const holds = (limit) => (goal.atMost === undefined ? goal.measured >= limit : goal.measured <= limit);
  if (goal.stretch !== undefined && holds(goal.stretch)) return 'yes, and beyond';
  return holds(targetOf(goal)) ? 'yes' : 'no';
}

/** docs/benchmarks.md, which nobody writes by hand. */
export function markdown(facts, goals, tables) {
  const lines = [
    '# Benchmarks',
    '',
    'Written by `npm run bench`; do not edit. A machine drifts by half within minutes, which is why everything that is compared',
    'was measured in turns: trust the ratios more than the numbers.',
    '',
    ...markdownTable(['', ''], Object.entries(facts)),
    '',
  ];
  for (const { title, note, heads, rows } of [goalTable(goals), ...tables]) {
    lines.push(`## ${title}`, '', note, '', ...markdownTable(heads, rows), '');
  }
  return lines.join('\n');
}

function markdownTable(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const dashes = heads.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(heads), line(dashes), ...rows.map(line)];
}
