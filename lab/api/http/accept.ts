/** Which form of an answer the client asks for in `Accept`. Only JSON is spoken; the form is a parameter of it. */

export type Form = 'object' | 'table' | 'metadata' | 'metadata-list' | 'aggregated-discovery';

const FORMS: Readonly<Record<string, Form>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata-list',
  APIGroupDiscoveryList: 'aggregated-discovery',
};

export type Accepted = {
  readonly form: Form;
  /** The version asked for, such as `v1`, echoed in the answer. */
  readonly version: string;
  readonly yaml: boolean;
};

/** The first entry that is JSON decides; undefined when the client takes nothing that this server speaks. */
export function parseAccept(header: string | undefined): Accepted | undefined {
  const plain: Accepted = { form: 'object', version: '', yaml: false };
  if (header === undefined || header.trim() === '') return plain;
  for (const entry of header.split(',')) {
    const [type = '', ...rest] = entry.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => part.split('=', 2) as [string, string]));
    if (type === 'application/yaml' && rest.length === 0) return { ...plain, yaml: true };
    if (!['application/json', 'application/*', '*/*', 'text/plain', 'text/*'].includes(type)) continue;
    const as = parameters.get('as');
    if (as === undefined) return plain;
    const form = FORMS[as];
    if (form !== undefined) return { form, version: parameters.get('v') ?? 'v1', yaml: false };
  }
  return undefined;
}
