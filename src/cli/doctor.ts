import { parseArgs } from 'node:util';
import { auditHost } from '../audit/audit-host.js';
import { isAtLeast, SEVERITIES } from '../audit/report.js';
import { auditText } from '../audit/text.js';
import { closeSpawner } from '../spawner/shared.js';
import { checkSupport } from '../support/check-support.js';
import type { SandboxOptions } from '../options/sandbox-options.js';
import { reportText } from '../support/text.js';
import { layersOf } from './layers.js';

const USAGE = `Usage: spawn-sandbox doctor [--json] [--allow-missing LAYER,...] [--allow-weaker LAYER,...] [--core-scheduling]

Tries out what can be enforced here, and tells what to do about what cannot.
Exit status: 0 when a sandbox with these options can be made, 1 otherwise.

       spawn-sandbox doctor --audit [--json] [--audit-level high|medium|low|note]

Looks instead for what makes sandboxes on this host worth less: holes of the processor, secrets that everybody may read,
programs that everybody may change, services within reach, settings of the kernel. Run it in the app's directory.
Exit status: 0 when nothing is found of that level [medium] or a higher one, 1 otherwise.
`;

const FLAGS = {
  json: { type: 'boolean' },
  'allow-missing': { type: 'string' },
  'allow-weaker': { type: 'string' },
  'core-scheduling': { type: 'boolean' },
  audit: { type: 'boolean' },
  'audit-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** `spawn-sandbox doctor`: 0 when everything that was asked for can be enforced, else 1. */
export async function doctor(argv: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false });
    if (values.help === true) return say(USAGE);
    if (values.audit === true) return await audit(values);
    const report = await checkSupport({
      ...toOptions(values['allow-missing'], values['allow-weaker']),
      ...(values['core-scheduling'] === true ? { coreScheduling: true } : {}),
    });
    await closeSpawner();
    say(values.json === true ? `${JSON.stringify(report, null, 2)}\n` : reportText(report, { color: wantsColor() }));
    return report.supported ? 0 : 1;
  } catch (error) {
    process.stderr.write(`spawn-sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function toOptions(missing: string | undefined, weaker: string | undefined): SandboxOptions {
  return {
    ...(missing === undefined ? {} : { allowMissing: layersOf(missing) }),
    ...(weaker === undefined ? {} : { allowWeaker: layersOf(weaker) }),
  };
}

interface AuditValues {
  readonly json?: boolean | undefined;
  readonly 'audit-level'?: string | undefined;
}

async function audit({ json, 'audit-level': asked = 'medium' }: AuditValues): Promise<number> {
  const level = SEVERITIES.find((severity) => severity === asked);
  if (level === undefined) throw new Error(`--audit-level is one of ${SEVERITIES.join(', ')}, not '${asked}'.`);
  const report = await auditHost();
  say(json === true ? `${JSON.stringify(report, null, 2)}\n` : auditText(report));
  return report.findings.some((finding) => isAtLeast(finding, level)) ? 1 : 0;
}

function wantsColor(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
}

function say(text: string): number {
  process.stdout.write(text);
  return 0;
}
