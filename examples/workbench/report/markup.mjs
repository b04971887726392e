// HTML in which everything that is put into it is text, unless it was made here.
import { visible } from '../show/text.mjs';

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

class Markup {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/** Template: strings and numbers become text, lists follow each other, nothing and `false` leave no trace. Attributes need their quotes. */
export function html(parts, ...values) {
  return new Markup(parts.reduce((text, part, index) => text + rendered(values[index - 1]) + part));
}

/** For what is no claim of anybody: a style sheet of ours. */
export function trusted(text) {
  return new Markup(text);
}

function rendered(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(rendered).join('');
  if (value === undefined || value === null || value === false) return '';
  return visible(value).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}
