/** One header line; names are lower case. */
export type HeaderField = readonly [name: string, value: string];

/**
 * How patient the endpoint is with floods of frames. A stranger gets small budgets; a peer whose certificate was verified gets
 * generous ones, because strict ones have cut off busy databases.
 * @see security reference 3.3
 */
export type Trust = "stranger" | "authenticated";
