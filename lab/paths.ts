import { join, resolve } from 'node:path';
import { MeshError } from '../mesh/index.ts';

const DEFAULT_LABS = '/var/lib/ambit/lab';
const NAME = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** The folder of all labs of this machine, which `AMBIT_LAB_DIR` moves. */
export const labsDirectory = (env: Readonly<Record<string, string | undefined>>): string =>
  resolve(env['AMBIT_LAB_DIR'] || DEFAULT_LABS);

/** Where one lab keeps what it has. */
export type LabPaths = {
  readonly name: string;
  /** All labs: the image table is theirs together. */
  readonly labs: string;
  readonly state: string;
  readonly kubeconfig: string;
  readonly info: string;
  readonly logs: string;
  readonly supervisorLog: string;
  /** A mount point that only the lab sees: nodes' and containers' writable layers are in memory behind it. */
  readonly scratch: string;
};

/** @throws MeshError LAB_NAME_INVALID */
export function labPaths(labs: string, name: string): LabPaths {
  if (!NAME.test(name)) {
    throw new MeshError('LAB_NAME_INVALID', `a lab's name is lower case letters, digits and "-", up to 32: "${name}"`);
  }
  const state = join(labs, name);
  const logs = join(state, 'logs');
  return {
    name,
    labs,
    state,
    kubeconfig: join(state, 'kubeconfig'),
    info: join(state, 'lab.json'),
    logs,
    supervisorLog: join(logs, 'supervisor.log'),
    scratch: join(state, 'scratch'),
  };
}
