/** The result that is handed on: the previous plugin's, in the version that was asked for. */
import type { CniResult } from './conf.ts';

/** From 1.0.0 on, addresses no longer say their family. */
const hasFamily = (version: string) => version.startsWith('0.3.') || version === '0.4.0';

/** `prevResult` untouched where the versions agree; without one an empty result. */
export function passOn(prevResult: CniResult | undefined, cniVersion: string): CniResult {
  if (!prevResult) return { cniVersion, ...(cniVersion < '0.3.0' ? {} : { ips: [] }), dns: {} };
  if ((prevResult.cniVersion ?? cniVersion) === cniVersion) return { ...prevResult, cniVersion };
  const ips = prevResult.ips?.map((ip) => {
    const { version: _, ...rest } = ip as typeof ip & { version?: string };
    return hasFamily(cniVersion) ? { version: ip.address.includes(':') ? '6' : '4', ...rest } : rest;
  });
  return { ...prevResult, cniVersion, ...(ips ? { ips } : {}) };
}
