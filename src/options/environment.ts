import { expectObject, expectText, invalidOption } from './check.js';
import { show } from '../show.js';

/** The app's choice of variables, with `true` replaced by the app's own value; one that the app lacks is left out. */
export function resolveEnvironment(option: unknown): Readonly<Record<string, string>> {
  const given = expectObject(option, 'env', Object.keys((option as object | undefined) ?? {}));
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (name === '' || name.includes('=') || name.includes('\0')) {
      throw invalidOption('env', `has a name that no variable can have: ${show(name)}`);
    }
    const text = value === true ? process.env[name] : expectText(value, `env.${name}`, { empty: true });
    if (text !== undefined) variables[name] = text;
  }
  return variables;
}
