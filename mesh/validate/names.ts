/** Forms of names in Kubernetes and DNS. Each function says what is wrong, or undefined when nothing is. */

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const QUALIFIED = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const MAX_LABEL = 63;
const MAX_NAME = 253;

/** RFC 1123 label: namespaces, services, port names. */
export function dnsLabel(written: string): string | undefined {
  return written.length <= MAX_LABEL && LABEL.test(written)
    ? undefined
    : `${JSON.stringify(written)} is no DNS label (lower case letters, digits and -, at most 63)`;
}

/** RFC 1123 subdomain: names of most objects. */
export function dnsName(written: string): string | undefined {
  return written.length <= MAX_NAME && written.split('.').every((label) => LABEL.test(label))
    ? undefined
    : `${JSON.stringify(written)} is no DNS name (lower case letters, digits, - and ., at most 253)`;
}

/** A label's key: a name of at most 63, after an optional DNS name and a slash. */
export function labelKey(written: string): string | undefined {
  if (written === '') return 'the key must not be empty';
  if (written.includes('*')) return 'a key can not have wildcards';
  const parts = written.split('/');
  const [prefix, name] = parts.length === 1 ? [undefined, written] : [parts[0] ?? '', parts[1] ?? ''];
  const isLegal =
    parts.length <= 2 &&
    name.length <= MAX_LABEL &&
    QUALIFIED.test(name) &&
    (prefix === undefined || dnsName(prefix) === undefined);
  return isLegal ? undefined : `${JSON.stringify(written)} is no key that a label can have`;
}

export function labelValue(written: string): string | undefined {
  if (written.includes('*')) return 'labels are compared as they are, without wildcards';
  if (written.length > MAX_LABEL) return `longer than ${MAX_LABEL} characters`;
  return LABEL_VALUE.test(written) ? undefined : `${JSON.stringify(written)} is no value that a label can have`;
}

const HOST_LABEL = /^[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?$/;

/** A host name as DNS has it, in any case, perhaps with a dot at the end. */
export function fqdn(written: string): string | undefined {
  const name = written.endsWith('.') ? written.slice(0, -1) : written;
  const isLegal =
    name.length <= MAX_NAME && name.split('.').every((label) => label.length <= MAX_LABEL && HOST_LABEL.test(label));
  return isLegal ? undefined : `${JSON.stringify(written)} is no host name`;
}
