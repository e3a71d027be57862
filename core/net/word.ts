/**
 * How arguments are declared and handed over at the doors to native code.
 *
 * Node checks the range of integers in JavaScript before each call and gathers four or more arguments in an array: 0.5 to 1 µs a
 * call, more than most of the calls themselves. Addresses it passes on as they are, in 20 ns once the caller is compiled. So
 * every argument is declared as an address, which is to the ABIs of x86-64 and arm64 what an integer is: a register, of which
 * the callee reads as many bits as it wants.
 *
 * A buffer can stand for its address, which is kept alive during the call, at 300 ns: good for what is rare.
 */
export const WORD = 'pointer';

/** An integer, of either sign, for an argument that is a {@link WORD}. */
export const word = (value: number): bigint => BigInt.asUintN(64, BigInt(value));
