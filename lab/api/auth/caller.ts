/** Who is asking. */
export type Caller = {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
};

export const MASTERS = 'system:masters';
export const AUTHENTICATED = 'system:authenticated';

/** The server itself, as the author of what its own controllers write. */
export const SERVER: Caller = { username: 'system:apiserver', uid: '', groups: [MASTERS], extra: {} };

/** `system:serviceaccount:NAMESPACE:NAME` */
export const accountUser = (namespace: string, name: string): string => `system:serviceaccount:${namespace}:${name}`;

export const accountGroups = (namespace: string): readonly string[] => [
  'system:serviceaccounts',
  `system:serviceaccounts:${namespace}`,
  AUTHENTICATED,
];
