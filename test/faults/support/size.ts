/**
 * How much is done: `npm run test:long` sets `FAULTS=long`. Any one number can be set by a variable of its own, as `FAULT_KILLS=200`.
 *
 * @param name of the variable, without `FAULT_`
 */
export function size(name: string, { short, long }: { readonly short: number; readonly long: number }): number {
  const given = process.env[`FAULT_${name}`];
  if (given !== undefined) return Number(given);
  return process.env['FAULTS'] === 'long' ? long : short;
}
