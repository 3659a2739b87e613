import type { Authority, TokenSubject } from "@lateen/ca";
import type { Result } from "@lateen/errors";
import type { MeshFeed } from "./mesh-feed.ts";
import type { RotationWorld } from "./rotation/rotation-keeper.ts";
import type { ObjectNews, ObjectSource } from "./object-source.ts";

/** What differs between a folder on one machine and a cluster: where objects, keys and tokens come from, and what is written. */
export interface World extends AsyncDisposable {
  readonly authority: Authority;
  /** Begins to look for changes of what the authority is kept in. */
  watchKeys(changed: () => void): Disposable;
  /** The roots have changed: everybody who reads them here must find the new ones, before anything else shows. */
  publishRoots(): Promise<void>;
  readonly rotation: RotationWorld;
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** Whose a token is. */
  readonly verifyToken: (token: string) => Result<TokenSubject> | Promise<Result<TokenSubject>>;
  /** Begins to tell of the objects. @returns once all that there are were told */
  openSource(onNews: (news: ObjectNews) => void, signal: AbortSignal): Promise<ObjectSource>;
  /** Begins to write what others wait for, after everything is told. */
  startWriters(feed: MeshFeed): Promise<{ heard(news: ObjectNews): void } & AsyncDisposable>;
  /** For the pages that people look at. */
  describe(): unknown;
}
