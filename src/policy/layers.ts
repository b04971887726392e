import type { AnyLayer, Layer } from '../layers.js';
import { ALL_LAYERS, layerMask } from '../layers.js';
import type { ResolvedOptions } from '../options/resolve.js';

export interface LayerMasks {
  readonly require: number;
  readonly allowWeaker: number;
  readonly allowMissing: number;
}

/**
 * Every layer is required but for those that the app waives by name, Landlock, which only repeats what the mount tree
 * does already and which many kernels lack, and the limits of which the app asks nothing, and core scheduling where it is not asked for.
 */
export function layerMasks(options: ResolvedOptions): LayerMasks {
  const waived = new Set<AnyLayer>([...options.allowMissing, 'landlock', ...layersWithoutLimit(options)]);
  if (!options.coreScheduling) waived.add('coreScheduling');
  return {
    require: layerMask(ALL_LAYERS.filter((layer) => !waived.has(layer))),
    allowWeaker: layerMask(options.allowWeaker),
    allowMissing: layerMask(waived),
  };
}

function layersWithoutLimit({ limits }: ResolvedOptions): readonly Layer[] {
  const unlimited: Layer[] = [];
  if (limits.memory === Infinity) unlimited.push('memory');
  if (limits.processes === Infinity) unlimited.push('processes');
  if (limits.cpuTime === Infinity && limits.cpus === Infinity) unlimited.push('cpu');
  return unlimited;
}
