import { expectArray, expectObject, expectText, invalidOption } from '../options/check.js';

/** What a step of a zygote does: exactly one of the three forms. */
export type ZygoteJob =
  | {
      /** Source text, run as the main module. */
      readonly code: string;
      /** What it finds as its arguments. @default [] */
      readonly args?: readonly string[];
    }
  | {
      /** A source file as the step sees it, run as the main module. */
      readonly file: string;
      /** What it finds as its arguments. @default [] */
      readonly args?: readonly string[];
    }
  | {
      /** A module that the step can import. */
      readonly module: string;
      /** A function in it, called once. What it returns is dropped. */
      readonly function: string;
      /** What it is called with: values that JSON can say. @default [] */
      readonly args?: readonly unknown[];
    };

/** The job as a list of texts, which travels as a command's arguments do. */
export function encodeJob(job: unknown): readonly Buffer[] {
  const given = expectObject(job, 'job', ['code', 'file', 'module', 'function', 'args']);
  const forms = ['code', 'file', 'module'].filter((form) => given[form] !== undefined);
  if (job === undefined || forms.length !== 1) {
    throw invalidOption('job', "must have exactly one of 'code', 'file' and 'module'");
  }
  return textsOf(given).map((text) => Buffer.from(text));
}

function textsOf(given: Readonly<Record<string, unknown>>): readonly string[] {
  if (given['module'] === undefined && given['function'] !== undefined) {
    throw invalidOption('job.function', "goes with 'module' only");
  }
  if (given['code'] !== undefined) {
    return ['code', expectText(given['code'], 'job.code', { empty: true }), ...texts(given['args'])];
  }
  if (given['file'] !== undefined) return ['file', expectText(given['file'], 'job.file'), ...texts(given['args'])];
  return [
    'module',
    expectText(given['module'], 'job.module'),
    expectText(given['function'], 'job.function'),
    json(expectArray(given['args'], 'job.args')),
  ];
}

function texts(args: unknown): readonly string[] {
  return expectArray(args, 'job.args').map((text, index) => expectText(text, `job.args[${index}]`, { empty: true }));
}

function json(args: readonly unknown[]): string {
  try {
    return JSON.stringify(args);
  } catch (cause) {
    throw invalidOption('job.args', `cannot be written as JSON: ${(cause as Error).message}`);
  }
}
