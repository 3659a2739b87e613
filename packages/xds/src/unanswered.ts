/** What is known of a type's responses: the last one, and whether it was answered. */
export class Unanswered {
  sent = "";
  acknowledged = "";
  isAwaiting = false;
  lastError: string | null = null;

  /** @returns false for an answer to another response than the last */
  hear(nonce: string, error: string | null): boolean {
    if (nonce !== this.sent) return false;
    this.isAwaiting = false;
    this.lastError = error;
    if (error === null) this.acknowledged = nonce;
    return true;
  }

  send(nonce: string): void {
    this.sent = nonce;
    this.isAwaiting = true;
  }
}
