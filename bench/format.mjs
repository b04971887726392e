/** Numbers as the reports show them; what could not be measured is a dash. */
export const shown = (value, digits, unit = '') => (Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : '–');

export const ms = (value) => shown(value, 2);
export const micros = (value) => shown(value, 0);
export const nanos = (value) => shown(value, 0);
export const perSecond = (value) => shown(value, 0);
export const ratio = (value) => shown(value, 2, 'x');
export const times = (value) => shown(value, 2, 'x');
export const percent = (value) => shown(value * 100, 1, ' %');
export const kibibytes = (bytes) => shown(bytes / 1024, 0, ' KiB');
export const megabytesPerSecond = (value) => shown(value, 0);
