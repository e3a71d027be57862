/** WorkloadEntry (crds.md section 8), and the endpoints of a ServiceEntry, which have the same shape. */
import { parseIp } from '../address.ts';
import { fields, isFields, text as textOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { type Findings, quote } from './findings.ts';
import { fqdn, labelKey, labelValue } from './names.ts';
import { type Check, isSet, map, object, text, wholeNumber } from './shape.ts';
import type { Surroundings } from './surroundings.ts';

const MAX_ADDRESS = 256;
const MAX_PORTS = 128;
const MAX_LABELS = 256;
const MAX_TEXT = 2048;
const MAX_ACCOUNT = 253;
const MAX_PORT = 65_535;
const MAX_WEIGHT = 2 ** 32 - 1;

export const UNIX = 'unix://';
const PORT_NAME = /^[-A-Za-z0-9]{1,62}$/;

const address = text({ max: MAX_ADDRESS, reason: addressProblem });

function addressProblem(written: string): string | undefined {
  if (written === '' || parseIp(written) !== undefined) return undefined;
  if (!written.startsWith(UNIX)) {
    return fqdn(written) === undefined ? undefined : `${quote(written)} is neither an IP address nor a host name`;
  }
  const path = written.slice(UNIX.length);
  if (!/^[/@]./.test(path)) return `${quote(written)}: the path of a socket begins with / or, for an abstract one, @`;
  return path.endsWith('/') ? `${quote(written)}: the path of a socket does not end with /` : undefined;
}

/** The spec of a WorkloadEntry, or one endpoint. */
export const endpointCheck: Check = object(
  {
    address,
    ports: map(wholeNumber(1, MAX_PORT), {
      max: MAX_PORTS,
      key: (written) => (PORT_NAME.test(written) ? undefined : 'is no name of a port (letters, digits, -, at most 62)'),
    }),
    labels: map(text({ reason: labelValue }), { max: MAX_LABELS, key: labelKey }),
    network: text({ max: MAX_TEXT }),
    locality: text({
      max: MAX_TEXT,
      reason: (written) => (/^[^/]*(\/[^/]+){0,2}$/.test(written) ? undefined : 'has the form region/zone/subzone'),
    }),
    weight: wholeNumber(0, MAX_WEIGHT),
    serviceAccount: text({ max: MAX_ACCOUNT }),
  },
  {
    tolerant: true,
    also: (value, at, found) => {
      const endpoint = fields(value);
      const where = textOf(endpoint['address']);
      if (where === '' && textOf(endpoint['network']) === '') found.error(at, 'needs an address or a network');
      if (where.startsWith(UNIX) && isFields(endpoint['ports']) && Object.keys(endpoint['ports']).length > 0) {
        found.error(`${at}.ports`, 'a socket of the file system has no ports');
      }
    },
  },
);

export function validateWorkloadEntry(entry: KubeObject, _around: Surroundings, found: Findings): void {
  if (!isSet(entry['spec'])) {
    found.error('spec', 'is required');
    return;
  }
  endpointCheck(entry['spec'], 'spec', found);
  if (found.errors.length > 0) return;
  warnOfEndpoint(fields(entry['spec']), 'spec', found);
}

/** What ztunnel will make of it. */
export function warnOfEndpoint(endpoint: ReturnType<typeof fields>, at: string, found: Findings): void {
  const written = textOf(endpoint['address']);
  if (written === '') {
    found.warn('unusual', at, 'has no address: it is reached only through a gateway of its network');
  } else if (written.startsWith(UNIX)) {
    found.warn('ignored', `${at}.address`, 'ztunnel can not reach a socket of the file system');
  }
}
