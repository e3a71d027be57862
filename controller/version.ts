/** What `/version` says: version, revision of the source, state of the source (controller.md section 6.5). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as {
  version: string;
};

export const VERSION = `${version}-unknown-Clean`;
