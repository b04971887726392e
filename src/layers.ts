// The order is that of `Layer` in proto/control.proto: bit n of a mask is entry n, and what is optional comes behind.
/** The confinement mechanisms of every sandbox, by the names that `allowMissing`, `allowWeaker`, results and reports have for them. */
export const LAYERS = [
  'user',
  'pid',
  'mount',
  'net',
  'ipc',
  'uts',
  'cgroup',
  'capabilities',
  'securebits',
  'noNewPrivs',
  'uid',
  'groups',
  'seccomp',
  'landlock',
  'memory',
  'processes',
  'cpu',
] as const;

/** One confinement mechanism. */
export type Layer = (typeof LAYERS)[number];

/** What a sandbox has only when it is asked for. */
export const OPTIONAL_LAYERS = ['coreScheduling'] as const;

/** A layer that an option of its own name asks for. */
export type OptionalLayer = (typeof OPTIONAL_LAYERS)[number];

/** Either. */
export type AnyLayer = Layer | OptionalLayer;

export const ALL_LAYERS: readonly AnyLayer[] = [...LAYERS, ...OPTIONAL_LAYERS];

/**
 * The layers that only namespaces give. Where they cannot be had, `allowMissing: NAMESPACES` asks by name for what is left:
 * an id of its own where the app can give one, Landlock for files, signals and TCP, the system call filters, and limits
 * (docs/layers.md, "Without namespaces").
 */
export const NAMESPACES = ['user', 'pid', 'mount', 'net', 'ipc', 'uts', 'cgroup'] as const satisfies readonly Layer[];

/** Layers that have a weaker form which still confines; the others hold completely or not at all. */
export const LAYERS_WITH_WEAKER_FORM: readonly Layer[] = ['uid', 'groups', 'memory', 'processes', 'cpu'];

/** How a layer holds for one step, as the spawner itself observed it. */
export interface LayerState {
  /**
   * `'enforced'`: holds completely. `'weaker'`: holds in a weaker form, named by `by`.
   * `'waived'`: absent, and accepted by `allowMissing`. `'absent'`: absent, because no sandbox was made.
   */
  readonly state: 'enforced' | 'weaker' | 'waived' | 'absent';
  /** What enforces it, as `'cgroup v2'` or `'leased id'`. */
  readonly by?: string;
  /** Why it is weaker or missing. */
  readonly reason?: string;
}

/** The state of every layer, and, of a step that was started, of the optional ones that were asked for. */
export type Enforced = Readonly<Record<Layer, LayerState> & Partial<Record<OptionalLayer, LayerState>>>;

export function isLayer(name: string): name is AnyLayer {
  return (ALL_LAYERS as readonly string[]).includes(name);
}

export function isOptional(layer: AnyLayer): layer is OptionalLayer {
  return (OPTIONAL_LAYERS as readonly AnyLayer[]).includes(layer);
}

/** The mask in which bit n stands for layer n. */
export function layerMask(layers: Iterable<AnyLayer>): number {
  let mask = 0;
  for (const layer of layers) mask |= 1 << ALL_LAYERS.indexOf(layer);
  return mask;
}
