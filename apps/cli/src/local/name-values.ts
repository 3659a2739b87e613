import { UsageError } from "../command.ts";

/** What a repeatable `NAME=VALUE` flag says; later ones win. @throws UsageError for a text without a name */
export function pairs(texts: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals <= 0) throw new UsageError(`invalid argument "${text}" for ${flag}: need NAME=VALUE`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
