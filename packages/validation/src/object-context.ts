/** What a check knows of an object besides its spec. */
export interface ObjectContext {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Whose rules apply, where releases of Istio differ. */
  readonly release: Release;
}
export type Release = "1.21" | "newest";
