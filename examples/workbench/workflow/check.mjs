// What was written in a workflow file, against what can be: the first mistake is an error that names its place.
import { COMMON_FIELDS, FIELDS, OPERATIONS } from './operations.mjs';

const NAME = /^[a-z][a-z0-9_]*$/;

const KINDS = {
  text: (value) => typeof value === 'string',
  list: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

/** @returns the steps by name, each with its `operation` and `fields` */
export function checkWorkflow(document) {
  require(KINDS.object(document) && KINDS.text(document.title), 'a workflow has a title and steps');
  for (const field of Object.keys(document)) {
    require(['title', 'about', 'steps'].includes(field), `'${field}' is no field of a workflow`);
  }
  require(KINDS.object(document.steps) && Object.keys(document.steps).length > 0, 'a workflow has at least one step');
  return new Map(Object.entries(document.steps).map(([name, fields]) => [name, checkStep(name, fields)]));
}

function checkStep(name, fields) {
  require(NAME.test(name), `'${name}' is no name of a step: lower case letters, digits and _`);
  require(KINDS.object(fields), `${name}: a step is an object`);
  const named = Object.keys(OPERATIONS).filter((operation) => Object.hasOwn(fields, operation));
  require(named.length === 1, `${name}: a step has one of ${Object.keys(OPERATIONS).join(', ')}`);
  const [operation] = named;
  const { needs, may } = OPERATIONS[operation];
  for (const field of needs) require(Object.hasOwn(fields, field), `${name}: '${field}' is missing`);
  for (const [field, value] of Object.entries(fields)) {
    require([operation, ...needs, ...may, ...COMMON_FIELDS].includes(
      field,
    ), `${name}: '${field}' is no field of ${operation}`);
    require(KINDS[FIELDS[field]](value), `${name}: '${field}' must be ${FIELDS[field]}`);
  }
  return { operation, fields };
}

function require(holds, otherwise) {
  if (!holds) throw new WorkflowError(otherwise);
}

export class WorkflowError extends Error {
  name = 'WorkflowError';
}
