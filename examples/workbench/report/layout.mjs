// Where the steps of a workflow stand in a drawing: in columns from left to right, each to the right of what it reads.

const ROUNDS = 4;

/**
 * Lines that pass a column have a place of their own in it, so that they run between the steps and not behind them.
 *
 * @returns columns of places `{ step?, before: [place], column, row }`; a place without a step is where a line passes
 */
export function columnsOf(steps) {
  const depths = depthsOf(steps);
  const columns = Array.from({ length: Math.max(...depths.values()) + 1 }, () => []);
  const places = new Map();
  const add = (place) => {
    columns[place.column].push(place);
    return place;
  };
  // All lines of one step pass a column at the same place.
  const passages = new Map();
  const passage = (before, from) => {
    const column = before.column + 1;
    const key = `${from} ${column}`;
    if (!passages.has(key)) passages.set(key, add({ before: [before], column, from }));
    return passages.get(key);
  };
  for (const step of steps) places.set(step.name, add({ step, before: [], column: depths.get(step.name) }));
  for (const place of [...places.values()]) {
    for (const name of new Set(place.step.inputs.map((input) => input.step))) {
      let last = places.get(name);
      while (last.column + 1 < place.column) last = passage(last, name);
      place.before.push(last);
    }
  }
  for (let round = 0; round < ROUNDS; round++) untangle(columns);
  return columns;
}

/** As far left as its inputs allow; what reads nothing stands next to what reads it. */
function depthsOf(steps) {
  const depths = new Map();
  for (const { name, inputs } of steps) {
    depths.set(name, Math.max(0, ...inputs.map((input) => depths.get(input.step) + 1)));
  }
  for (const { name, inputs } of steps) {
    const readers = steps.filter((step) => step.inputs.some((input) => input.step === name));
    if (inputs.length > 0 || readers.length === 0) continue;
    depths.set(name, Math.min(...readers.map((reader) => depths.get(reader.name))) - 1);
  }
  return depths;
}

/** Each place as near as can be to the middle of what it is connected with: one sweep to the right, one to the left. */
function untangle(columns) {
  const number = () =>
    columns.forEach((column) => column.forEach((place, row) => (place.row = row - column.length / 2)));
  const sort = (column, neighbours) => {
    const middles = new Map(column.map((place) => [place, middle(neighbours(place)) ?? place.row]));
    column.sort((a, b) => middles.get(a) - middles.get(b));
    number();
  };
  number();
  for (const column of columns) sort(column, (place) => place.before);
  for (const [index, column] of [...columns.entries()].reverse()) {
    const after = columns[index + 1] ?? [];
    sort(column, (place) => after.filter((next) => next.before.includes(place)));
  }
}

function middle(places) {
  return places.length === 0 ? undefined : places.reduce((sum, place) => sum + place.row, 0) / places.length;
}
