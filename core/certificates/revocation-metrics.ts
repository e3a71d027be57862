/** Revocation lists as numbers. */
import type { Registry } from '../telemetry/index.ts';
import type { RevocationEvents } from './revocation-file.ts';

export function revocationMetrics(registry: Registry): RevocationEvents {
  const loads = registry.counter('ambit_crl_loads', 'Attempts to read the revocation lists (unstable).', ['result']);
  const listed = registry.gauge('ambit_crl_revoked_certificates', 'Certificates on the lists in force (unstable).');
  return {
    loaded: ({ size }) => {
      loads.labels(['loaded']).inc();
      listed.labels([]).set(size);
    },
    failed: () => loads.labels(['failed']).inc(),
  };
}
