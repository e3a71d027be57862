import { ownVersion } from '../core/config/index.ts';

/** What `/version` says: version, revision of the source, state of the source (controller.md section 6.5). */
export const VERSION = `${ownVersion()}-unknown-Clean`;
