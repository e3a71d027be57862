/** The names of a service, out of its key. */

export type ServiceNames = {
  readonly namespace: string | undefined;
  readonly hostname: string | undefined;
  /** What its object is called in its cluster; of another host the host itself. */
  readonly name: string | undefined;
};

const NOBODY: ServiceNames = { namespace: undefined, hostname: undefined, name: undefined };

/** `key` is `namespace/hostname`. */
export function namesOf(key: string | undefined): ServiceNames {
  if (key === undefined) return NOBODY;
  const slash = key.indexOf('/');
  const [namespace, hostname] = [key.slice(0, slash), key.slice(slash + 1)];
  const suffix = `.${namespace}.svc.`;
  const at = hostname.indexOf(suffix);
  return { namespace, hostname, name: at < 0 ? hostname : hostname.slice(0, at) };
}
