declare const tag: unique symbol;

/** A value whose type proves that it was parsed: the only way to get one is the parser that returns it. */
export type Brand<T, Name extends string> = T & { readonly [tag]: Name };
