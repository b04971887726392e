import { type AuditReport, type Finding, SEVERITIES } from './report.js';

/** The report for people. */
export function auditText({ findings, looked }: AuditReport): string {
  const counts = SEVERITIES.map(
    (severity) => `${findings.filter((one) => one.severity === severity).length} ${severity}`,
  );
  return [...findings.map(findingText), `Looked at: ${looked.join('; ')}.`, `${counts.join(', ')}.`]
    .map((part) => `${part}\n`)
    .join('\n');
}

function findingText({ code, title, severity, reason, evidence, remedy }: Finding): string {
  return [
    `${severity} ${title} (${code})`,
    `  ${reason}`,
    ...evidence.map((fact) => `  - ${fact}`),
    ...remedy.split('\n').map((line) => `    ${line}`),
  ].join('\n');
}
