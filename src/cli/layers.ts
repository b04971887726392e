import { type AnyLayer, NAMESPACES } from '../layers.js';

/** `user,pid` as a list; `namespaces` is short for all of them. The library checks the names. */
export function layersOf(text: string): readonly AnyLayer[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .flatMap((name): readonly AnyLayer[] => (name === 'namespaces' ? NAMESPACES : [name as AnyLayer]));
}
