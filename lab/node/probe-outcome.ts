/** What one look at a container found. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly why: string };

export const OK: Outcome = { ok: true };
export const failed = (why: string): Outcome => ({ ok: false, why });
