/** Kubernetes quantities, such as `100m`, `1.5`, `64Mi`, `1e3`. */
import { MeshError } from '../../mesh/index.ts';

const SUFFIX: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]{0,2})$/;

/** The number meant. @throws MeshError QUANTITY_MALFORMED */
export function parseQuantity(text: string | number): number {
  const match = QUANTITY.exec(String(text));
  const factor = SUFFIX[match?.[2] ?? ''];
  if (match === null || factor === undefined) throw new MeshError('QUANTITY_MALFORMED', `not a quantity: "${text}"`);
  return Number(match[1]) * factor;
}
