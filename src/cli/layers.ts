import { type Layer, NAMESPACES } from '../layers.js';

/** `user,pid` as a list; `namespaces` is short for all of them. The library checks the names. */
export function layersOf(text: string): readonly Layer[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .flatMap((name): readonly Layer[] => (name === 'namespaces' ? NAMESPACES : [name as Layer]));
}
