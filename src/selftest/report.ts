import { release } from 'node:os';
import { version } from 'node:process';
import { type Check, fullId, type Group, GROUPS, type Outcome } from './check.js';
import { told } from './judge.js';
import type { CheckResult } from './run.js';

/** `spawn-sandbox selftest --json`. */
export interface SelftestReport {
  readonly target: string;
  readonly version: string;
  readonly kernel: string;
  readonly node: string;
  readonly arch: string;
  readonly user: 'root' | 'ordinary';
  readonly seconds: number;
  readonly score: Score;
  readonly checks: readonly ReportedCheck[];
}

export interface Score {
  /** All but the practical ones. */
  readonly attacks: number;
  /** Not got inside, and got outside. */
  readonly held: number;
  readonly broken: number;
  /** Got neither inside nor outside, so that nothing is shown. */
  readonly unproven: number;
  /** Of the practical ones. */
  readonly works: number;
  readonly fails: number;
}

export interface ReportedCheck {
  readonly id: string;
  readonly group: Group;
  readonly title: string;
  readonly outcome: Outcome;
  readonly reason?: string;
  readonly inside: string;
  readonly outside: string;
}

export interface About {
  readonly target: string;
  readonly version: string;
  readonly seconds: number;
}

export function selftestReport(results: readonly CheckResult[], about: About): SelftestReport {
  return {
    ...about,
    kernel: release(),
    node: version,
    arch: process.arch,
    user: process.getuid?.() === 0 ? 'root' : 'ordinary',
    score: score(results),
    checks: results.map(({ check, outcome, reason, inside, outside }) => ({
      id: fullId(check),
      group: check.group,
      title: check.title,
      outcome,
      ...(reason === undefined ? {} : { reason }),
      inside: told(inside),
      outside: told(outside),
    })),
  };
}

function score(results: readonly CheckResult[]): Score {
  const count = (wanted: Outcome, practical: boolean): number =>
    results.filter(({ check, outcome }) => outcome === wanted && isPractical(check) === practical).length;
  return {
    attacks: results.filter(({ check }) => !isPractical(check)).length,
    held: count('held', false),
    broken: count('broken', false),
    unproven: count('unproven', false),
    works: count('held', true),
    fails: count('broken', true),
  };
}

function isPractical({ group }: Pick<Check, 'group'>): boolean {
  return group === 'practical';
}

/** For people: a row for each group, then what is broken, and with `verbose` what shows nothing. */
export function selftestText(report: SelftestReport, { verbose = false }: { readonly verbose?: boolean } = {}): string {
  const { target, kernel, arch, user, score: sum, checks, seconds } = report;
  const who = user === 'root' ? 'root' : 'an ordinary user';
  return [
    `${target}\non Linux ${kernel}, ${arch}, as ${who}; ${checks.length} checks in ${seconds} s`,
    table(checks),
    section('broken', checks, ({ title, reason = '' }) => `a step ${title}: ${reason}`),
    verbose ? section('unproven', checks, ({ title, reason = '' }) => `a step ${title}: ${reason}`) : '',
    verdict(sum),
  ]
    .filter((part) => part !== '')
    .map((part) => `${part}\n`)
    .join('\n');
}

const COLUMNS: readonly Outcome[] = ['held', 'broken', 'unproven'];

function table(checks: readonly ReportedCheck[]): string {
  const width = Math.max(...GROUPS.map((group) => group.length));
  const row = (head: string, cells: readonly (string | number)[]): string =>
    `${head.padEnd(width)}${cells.map((cell) => String(cell).padStart(10)).join('')}`;
  const rows = GROUPS.map((group) => {
    const ofGroup = checks.filter((check) => check.group === group);
    return row(
      group,
      COLUMNS.map((outcome) => ofGroup.filter((check) => check.outcome === outcome).length),
    );
  });
  return [row('', COLUMNS), ...rows].join('\n');
}

function section(
  outcome: Outcome,
  checks: readonly ReportedCheck[],
  describe: (check: ReportedCheck) => string,
): string {
  const lines = checks.filter((check) => check.outcome === outcome);
  if (lines.length === 0) return '';
  return [`${outcome}:`, ...lines.map((check) => `  ${check.id}: ${describe(check)}`)].join('\n');
}

function verdict({ attacks, held, broken, unproven, works, fails }: Score): string {
  const nothing = unproven === 0 ? '' : ` ${unproven} show nothing here, since they fail without a sandbox, too.`;
  return `${held} of ${attacks} attacks are held, ${broken} are not.${nothing} ${works} of ${works + fails} things that programs need work.`;
}
