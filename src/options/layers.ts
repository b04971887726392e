import type { AnyLayer, Layer } from '../layers.js';
import { ALL_LAYERS, isLayer, LAYERS_WITH_WEAKER_FORM } from '../layers.js';
import { expectArray, expectOneOf, invalidOption } from './check.js';

export function resolveAllowMissing(option: unknown): readonly AnyLayer[] {
  return layers(option, 'allowMissing');
}

/** An app without root cannot have the strong form of these everywhere; an app with root can, and must ask for less by name. */
export function resolveAllowWeaker(option: unknown): readonly Layer[] {
  if (option === undefined) return process.geteuid?.() === 0 ? [] : LAYERS_WITH_WEAKER_FORM;
  const named = layers(option, 'allowWeaker');
  const whole = named.find((layer) => !hasWeakerForm(layer));
  if (whole !== undefined) {
    throw invalidOption(
      'allowWeaker',
      `has no use for '${whole}', which has no weaker form; only ${LAYERS_WITH_WEAKER_FORM.join(', ')} have one`,
    );
  }
  return named.filter(hasWeakerForm);
}

function hasWeakerForm(layer: AnyLayer): layer is Layer {
  return (LAYERS_WITH_WEAKER_FORM as readonly AnyLayer[]).includes(layer);
}

function layers(option: unknown, name: string): readonly AnyLayer[] {
  return expectArray(option, name).map((layer, index) =>
    typeof layer === 'string' && isLayer(layer) ? layer : expectOneOf(layer, `${name}[${index}]`, ALL_LAYERS),
  );
}
