/** One spelling for each path, before policies and routes look at it; the application gets the same (waypoint.md section 4.5). */
import { normalisePath, type PathNormalization } from '../../mesh/index.ts';
import type { Layer } from '../exchange.ts';
import { reply } from '../reply.ts';

export function normalise(option: PathNormalization): Layer {
  return (next) => (x) => {
    const normalised = normalisePath(x.path, option);
    if (normalised.kind === 'invalid') return reply(x, { status: 400, details: 'path_normalization_failed' });
    if (normalised.path !== x.path) {
      x.request.target = normalised.path + x.request.target.slice(x.path.length);
      x.path = normalised.path;
    }
    return next(x);
  };
}
