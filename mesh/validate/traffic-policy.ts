/** The checks of a `trafficPolicy` (crds.md section 6), in whatever it stands. */
import { fields, isFields, text as textOf } from '../derive/read.ts';
import { isPrime, MAX_PRIME } from '../resilience/prime.ts';
import { duration } from './durations.ts';
import { quote } from './findings.ts';
import { anything, boolean, type Check, isSet, list, object, oneOf, present, text, wholeNumber } from './shape.ts';

/** Traffic does not hang on a field that a newer version of the kind has: it is told, and not refused. */
export const TOLERANT = { tolerant: true } as const;
const INT32 = 2 ** 31 - 1;

const count = wholeNumber(0, INT32);
export const percentage: Check = (value, at, found) => {
  if (typeof value !== 'number' || !(value >= 0 && value <= 100))
    found.error(at, `${quote(value)} is no percentage, 0 to 100`);
};

/** Of these fields at most one. */
function atMostOne(names: readonly string[]): Check {
  return (value, at, found) => {
    const given = present(fields(value), names);
    if (given.length > 1) found.error(at, `${given.join(' and ')} exclude each other`);
  };
}

function all(...checks: readonly Check[]): Check {
  return (value, at, found) => {
    for (const check of checks) check(value, at, found);
  };
}

const tableSize: Check = (value, at, found) => {
  const isFit = typeof value === 'number' && Number.isInteger(value) && value < MAX_PRIME && isPrime(value);
  if (!isFit) found.error(at, `${quote(value)} is no prime below ${MAX_PRIME}`);
};

const KEY_SOURCES = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'];

const consistentHash = object(
  {
    httpHeaderName: text({ min: 1 }),
    httpCookie: object(
      { name: text({ min: 1 }), path: text(), ttl: text(), attributes: list(anything) },
      { required: ['name'], ...TOLERANT },
    ),
    useSourceIp: boolean,
    httpQueryParameterName: text({ min: 1 }),
    ringHash: object({ minimumRingSize: wholeNumber(0, Number.MAX_SAFE_INTEGER) }),
    maglev: object({ tableSize }),
    minimumRingSize: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  },
  { ...TOLERANT, also: all(atMostOne(KEY_SOURCES), atMostOne(['ringHash', 'maglev', 'minimumRingSize'])) },
);

const distribution: Check = (value, at, found) => {
  const shares = Object.values(fields(fields(value)['to'])).filter((share) => typeof share === 'number');
  const sum = shares.reduce((total, share) => total + share, 0);
  if (sum !== 100) found.error(`${at}.to`, `shares come to ${sum}, and not to 100`);
};

const localityLbSetting = object(
  {
    enabled: boolean,
    distribute: list(distribution),
    failover: list(anything),
    failoverPriority: list(text({ min: 1 })),
  },
  { ...TOLERANT, also: atMostOne(['distribute', 'failover']) },
);

const aggression: Check = (value, at, found) => {
  if (typeof value !== 'number' || !(value > 0)) found.error(at, `${quote(value)} is not above 0`);
};

const loadBalancer = object(
  {
    simple: oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
    consistentHash,
    backendUtilization: anything,
    localityLbSetting,
    zoneAwareLbSetting: anything,
    warmup: object({ duration, minimumPercent: percentage, aggression }, { required: ['duration'] }),
    warmupDurationSecs: text(),
  },
  {
    ...TOLERANT,
    also: all(
      atMostOne(['simple', 'consistentHash', 'backendUtilization']),
      atMostOne(['localityLbSetting', 'zoneAwareLbSetting']),
    ),
  },
);

const connectionPool = object(
  {
    tcp: object(
      {
        maxConnections: count,
        connectTimeout: duration,
        tcpKeepalive: anything,
        maxConnectionDuration: duration,
        idleTimeout: text(),
      },
      TOLERANT,
    ),
    http: object(
      {
        http1MaxPendingRequests: count,
        http2MaxRequests: count,
        maxRequestsPerConnection: count,
        maxRetries: count,
        maxConcurrentStreams: count,
        idleTimeout: duration,
        h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
        useClientProtocol: boolean,
        http2KeepAlive: anything,
      },
      TOLERANT,
    ),
  },
  TOLERANT,
);

const outlierDetection = object(
  {
    consecutiveErrors: count,
    consecutive5xxErrors: count,
    consecutiveGatewayErrors: count,
    consecutiveLocalOriginFailures: count,
    splitExternalLocalOriginErrors: boolean,
    interval: duration,
    baseEjectionTime: duration,
    maxEjectionPercent: percentage,
    minHealthPercent: percentage,
    outlierDetectionHttpErrorCodes: list(wholeNumber(100, 599)),
  },
  {
    ...TOLERANT,
    also: (value, at, found) => {
      const written = fields(value);
      if (!isSet(written['consecutiveLocalOriginFailures']) || written['splitExternalLocalOriginErrors'] === true)
        return;
      found.error(`${at}.consecutiveLocalOriginFailures`, 'needs splitExternalLocalOriginErrors: true');
    },
  },
);

const CERTIFICATE_FILES = ['clientCertificate', 'privateKey', 'caCertificates'];

const tls = object(
  {
    mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
    clientCertificate: text(),
    privateKey: text(),
    caCertificates: text(),
    caCrl: text(),
    credentialName: text(),
    sni: text(),
    subjectAltNames: list(text({ min: 1 })),
    insecureSkipVerify: boolean,
  },
  {
    ...TOLERANT,
    also: (value, at, found) => {
      const written = fields(value);
      const { mode, clientCertificate, privateKey } = written;
      if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return;
      const isNamed = textOf(written['credentialName']) !== '';
      const files = CERTIFICATE_FILES.filter((name) => textOf(written[name]) !== '');
      if (isNamed && files.length > 0) found.error(at, `credentialName and ${files.join(' and ')} exclude each other`);
      if (mode === 'MUTUAL' && !isNamed && (textOf(clientCertificate) === '' || textOf(privateKey) === '')) {
        found.error(at, 'MUTUAL needs a credentialName, or clientCertificate and privateKey');
      }
      const verified = present(written, ['caCertificates', 'subjectAltNames']);
      if (written['insecureSkipVerify'] === true && verified.length > 0) {
        found.error(at, `insecureSkipVerify and ${verified.join(' and ')} exclude each other`);
      }
    },
  },
);

const PER_PORT = { loadBalancer, connectionPool, outlierDetection, tls };

export const trafficPolicy = object(
  {
    ...PER_PORT,
    tunnel: anything,
    proxyProtocol: object({ version: oneOf('V1', 'V2') }, TOLERANT),
    retryBudget: object({ percent: percentage, minRetryConcurrency: count, budgetInterval: text() }, TOLERANT),
    portLevelSettings: list(
      object(
        { ...PER_PORT, port: object({ number: wholeNumber(1, 65_535) }, { required: ['number'] }) },
        { ...TOLERANT, required: ['port'] },
      ),
    ),
  },
  {
    ...TOLERANT,
    also: (value, at, found) => {
      if (isFields(value) && Object.keys(value).length === 0)
        found.error(at, 'is empty: leave it out, or say something');
      atMostOne(['tunnel', 'proxyProtocol'])(value, at, found);
    },
  },
);
