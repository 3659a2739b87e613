export const sources: string;
/** Where the built program is, or will be. */
export function programPath(): string;
