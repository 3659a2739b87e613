import type { NftBase, NftTable } from "@lateen/redirection";

/** Numbers of include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h that changes and listings share. */
export const NF_TABLES = 10;
export const SUBSYS = NF_TABLES << 8;
export const CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
export const HOOK = { number: 1, priority: 2 } as const;
export const RULE = { table: 1, chain: 2, expressions: 4 } as const;
export const SET = { table: 1, name: 2, keyType: 4, keyLength: 5, id: 10 } as const;
export const ELEMENTS = { table: 1, set: 2, list: 3 } as const;
export const ELEMENT = { key: 1, userdata: 6 } as const;
export const DATA_VALUE = 1;
/** nft's own numbering of data types, kept in the kernel for its listing. */
export const SET_KEY = { ipv4_addr: { type: 7, length: 4 }, ipv6_addr: { type: 8, length: 16 } } as const;
/** Tag of a comment inside user data. */
export const UDATA_COMMENT = 0;
export const HOOK_NUMBER: Readonly<Record<NftBase["hook"], number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};

export type NftFamily = NftTable["family"];
export const FAMILY: Readonly<Record<NftFamily, number>> = { inet: 1, ip: 2, ip6: 10 };

/** Header that follows netlink's own in every netfilter message. */
export const nfgen = (family: number, resource: number): number[] => [family, 0, resource >> 8, resource & 0xff];
