/** X509_V_ERR_ numbers, chosen for the alerts that OpenSSL makes of them. */
export const REFUSAL = {
  expired: 10,
  "not-yet-valid": 9,
  "unknown-authority": 20,
  "wrong-purpose": 26,
  rejected: 28,
} as const;

/** Why a peer's certificates are refused; the peer gets an alert that fits. */
export interface Refusal {
  readonly kind: keyof typeof REFUSAL;
  readonly why: string;
}
