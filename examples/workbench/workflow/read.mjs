// From a file to steps in an order in which they can run.
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { checkWorkflow, WorkflowError } from './check.mjs';
import { OPERATIONS } from './operations.mjs';

const OWN_WORKFLOWS = join(import.meta.dirname, '../workflows');
const DATA_SETS = join(dirname(fileURLToPath(import.meta.resolve('vega-datasets'))), '../data');

/** @param name one of `workflows/`, or a path */
export async function readWorkflow(name) {
  const path = /[./]/.test(name) ? resolve(name) : join(OWN_WORKFLOWS, `${name}.yaml`);
  const document = parse(await readFile(path, 'utf8'));
  const steps = [...checkWorkflow(document)].map(([stepName, { operation, fields }]) => ({
    name: stepName,
    about: fields.about ?? '',
    operation,
    fields,
    inputs: inputsOf(operation, fields),
    file: fileOf(operation, fields, dirname(path)),
  }));
  return { title: document.title, about: document.about ?? '', steps: inOrder(steps) };
}

/** The steps that it needs, and the name under which each table appears. */
function inputsOf(operation, fields) {
  const named = Object.entries(OPERATIONS[operation].inputs).map(([field, as]) => ({ step: fields[field], as }));
  return [...named, ...(fields.tables ?? []).map((step) => ({ step, as: step }))];
}

/** A data set of the package, or with `./` a file beside the workflow. */
function fileOf(operation, fields, directory) {
  const file = operation === 'csv' ? fields.csv : fields.over;
  if (file === undefined) return undefined;
  return file.startsWith('./') || file.startsWith('/') ? resolve(directory, file) : join(DATA_SETS, file);
}

/** Each step behind those that it needs; else as they were written. */
function inOrder(steps) {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const ordered = new Set();
  const visit = (step, path) => {
    if (ordered.has(step)) return;
    if (path.includes(step.name)) throw new WorkflowError(`a circle: ${[...path, step.name].join(' needs ')}`);
    for (const input of step.inputs) {
      const needed = byName.get(input.step);
      if (needed === undefined) throw new WorkflowError(`${step.name}: there is no step '${input.step}'`);
      visit(needed, [...path, step.name]);
    }
    ordered.add(step);
  };
  for (const step of steps) visit(step, []);
  return [...ordered];
}
